/**
 * Which cage the executors of this gateway get: the strongest of the system's that really holds here, and the level of
 * isolation that this makes, together with the runtime's own permissions. Everything is seen to hold before it counts.
 */
import type { IsolationLevel } from "../core/policy/index.ts";
import type { Clock, ExecutorProcess, SystemCage } from "../ports/index.ts";
import { createLink } from "./link.ts";

/** What must hold for the level `process+permissions`, seen by an executor from inside. */
const PERMISSION_LAYERS = ["no-environment", "no-network", "no-processes", "no-read", "no-write"];

/**
 * What must hold beside that for `process+os`. All but the last are seen from inside by a process in the same cage whose
 * runtime refuses it nothing; the last is the kernel's word about each executor.
 */
const SYSTEM_LAYERS = [
  "os-no-environment",
  "os-no-files",
  "os-no-names",
  "os-no-network",
  "os-no-other-processes",
  "os-no-writes",
  "os-no-new-privileges",
];

/** What a cage is worth having for at all. */
const LAYERS_OF: Readonly<Record<SystemCage, readonly string[]>> = {
  bubblewrap: SYSTEM_LAYERS,
  // Without namespaces it is the filter that keeps it from other processes.
  landlock: [...SYSTEM_LAYERS, "os-no-processes", "os-system-call-filter"],
  setpriv: ["os-no-new-privileges"],
  none: [],
};

/** The cage that was found. */
export interface FoundCage {
  readonly system: SystemCage;
  /** Layers that a probe saw to hold from inside. */
  readonly layers: readonly string[];
  /** Stronger cages that do not hold here, and why, in words for the operator. */
  readonly refused: readonly { readonly system: SystemCage; readonly why: string }[];
}

/**
 * Tries cages until one holds.
 *
 * @param candidates the strongest first; `none` always holds
 * @param spawn starts a probe in a cage; may throw where the cage can not be made
 * @throws {Error} when none of the candidates holds
 */
export async function findCage(
  candidates: readonly SystemCage[],
  spawn: (system: SystemCage) => ExecutorProcess,
  clock: Clock,
): Promise<FoundCage> {
  const refused: { system: SystemCage; why: string }[] = [];
  for (const system of candidates) {
    if (system === "none") return { system, layers: [], refused };
    const seen = await probe(() => spawn(system), clock);
    if (typeof seen === "string") {
      refused.push({ system, why: seen });
      continue;
    }
    const missing = LAYERS_OF[system].filter((layer) => !seen.includes(layer));
    if (missing.length === 0) return { system, layers: seen, refused };
    refused.push({ system, why: `it does not hold: ${missing.join(", ")}` });
  }
  const why = refused.map(({ system, why }) => `${system}: ${why}`).join("; ");
  throw new Error(`Cannot isolate executors as asked: ${why}`);
}

/** The level that a set of layers makes. */
export function levelOf(layers: readonly string[]): IsolationLevel {
  const holds = (needed: readonly string[]) => needed.every((layer) => layers.includes(layer));
  if (!holds(PERMISSION_LAYERS)) return "process";
  return holds(SYSTEM_LAYERS) ? "process+os" : "process+permissions";
}

/** @returns the layers that held, or why there is no saying */
async function probe(start: () => ExecutorProcess, clock: Clock): Promise<readonly string[] | string> {
  let process: ExecutorProcess;
  try {
    process = start();
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  const link = createLink(process, clock);
  try {
    const { verified } = await link.greeting;
    return [...verified, ...process.view.confinement()];
  } catch (error) {
    return (error instanceof Error ? error.message : String(error)).split("\n", 1)[0] ?? "";
  } finally {
    link.kill();
    await link.exited;
  }
}
