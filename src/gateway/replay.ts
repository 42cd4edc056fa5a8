/**
 * Runs a journaled run again: the component, its input and the journal, in the same sandbox, with nothing else. Says
 * whether it did the same to the unit of fuel, and if not, where it began to differ.
 */
import { canonicalJson, sha256Hex } from "../core/digest.ts";
import { isCut, type Journal, traceOf } from "../core/journal/index.ts";
import type { Outcome } from "../core/manifest/index.ts";
import { COST_TABLE_VERSION } from "../core/metering/host/index.ts";
import type { JsonValue } from "../core/policy/index.ts";
import { createReplayHost, type Divergence } from "../journal/index.ts";
import type { RunHost, Sandbox, SandboxComponent, SandboxEnd, SandboxRun } from "../ports/index.ts";
import type { ComponentFunction } from "../registry/index.ts";

/** The component that ran, taken through intake again. */
export interface ReplayedTool {
  readonly component: SandboxComponent;
  readonly callee: Pick<ComponentFunction, "interface" | "function">;
}

/** What a replay found. */
export interface ReplayReport {
  /**
   * `identical`: same calls, same end. `cut`: the run was killed, and did the same up to the last call that is known.
   * `diverged`: it did not.
   */
  readonly verdict: "identical" | "cut" | "diverged";
  /** Calls to the host that were the same, arguments, bytes and fuel; of how many. */
  readonly calls: { readonly same: number; readonly journaled: number };
  readonly outcome: { readonly expected: Outcome; readonly seen: Outcome };
  /** `sha256:<hex>` of the canonical JSON that the guest returned; null where there is none. */
  readonly outputHash: { readonly expected: string | null; readonly seen: string | null };
  readonly fuel: { readonly expected: number | null; readonly seen: number | null };
  readonly memoryPeakBytes: { readonly expected: number | null; readonly seen: number | null };
  /** Where the run was killed, in words. */
  readonly cut?: string;
  readonly divergence?: Divergence;
}

/** Longest that a replay may take: it waits for nothing, but the machine may be slower than the one that it ran on. */
const LONGEST_REPLAY_MS = 600_000;

/**
 * Replays.
 *
 * @param journal of kind `full`, of a run that was begun
 * @throws {GatewayError} `component-refused`, `sandbox-unavailable`
 * @throws {RangeError} when the journal is not one that can be replayed
 */
export async function replay(sandbox: Sandbox, tool: ReplayedTool, journal: Journal): Promise<ReplayReport> {
  const host = createReplayHost(journal);
  const seen = await sandbox.run(replayRun(tool, journal, host));
  const { end } = journal;
  const cut = isCut(end) ? describeCut(journal) : undefined;
  const divergence =
    host.divergence ??
    (cut === undefined ? compareEnds(journal, seen, host.matched) : compareCut(journal, seen, host.matched));
  return {
    verdict: divergence !== undefined ? "diverged" : cut === undefined ? "identical" : "cut",
    calls: { same: host.matched, journaled: journal.calls.length },
    outcome: { expected: end.outcome, seen: withoutSecret(seen.outcome, end) },
    outputHash: { expected: returnedHashOf(end), seen: hashOf(seen.output) },
    fuel: { expected: end.fuelUsed, seen: seen.fuelUsed },
    memoryPeakBytes: { expected: end.memoryPeakBytes, seen: seen.memoryPeakBytes },
    ...(cut === undefined ? {} : { cut }),
    ...(divergence === undefined ? {} : { divergence }),
  };
}

/** The run that repeats a journaled one, for whatever host. @throws {RangeError} as {@link replay} does */
export function replayRun({ component, callee }: ReplayedTool, journal: Journal, host: RunHost): SandboxRun {
  const { head, end } = journal;
  if (head.kind !== "full" || head.input === undefined || end.inputs === undefined) {
    const why = head.kind === "full" ? "nothing ran" : "its policy kept no journal of what crossed";
    throw new RangeError(`Cannot replay ${head.run}: ${why}`);
  }
  if (head.costTable !== COST_TABLE_VERSION) {
    const tables = `its fuel was counted by ${head.costTable}, this Writ counts by ${COST_TABLE_VERSION}`;
    throw new RangeError(`Cannot replay ${head.run}: ${tables}`);
  }
  const { seed, wallMs, timeToLiveMs } = end.inputs;
  return {
    run: head.run,
    tenant: head.tenant,
    component,
    interface: callee.interface,
    function: callee.function,
    input: head.input,
    fuel: head.limits.fuel,
    memoryBytes: head.limits.memoryBytes,
    outputBytes: head.limits.outputBytes,
    timeToLiveMs: LONGEST_REPLAY_MS,
    ...(head.settings === undefined ? {} : { settings: head.settings }),
    info: { traceId: head.traceId, tool: head.tool, purpose: head.purpose },
    host,
    inputs: { kind: "replay", seed, wallMs, timeToLiveMs, trace: traceOf(journal) },
  };
}

function compareEnds({ calls, end }: Journal, seen: SandboxEnd, matched: number): Divergence | undefined {
  const stopped = replayStop(seen);
  const fuel = { fuel: seen.fuelUsed };
  if (stopped === "replay-diverged")
    return {
      at: matched,
      what: "inputs",
      expected: "waits for the next input that the journal has",
      seen: fuel,
    };
  if (stopped === "replay-ended")
    return {
      at: matched,
      what: "inputs",
      expected: "ends, or calls its host",
      seen: { waits: "for more", ...fuel },
    };
  const missing = calls[matched];
  if (missing !== undefined)
    return {
      at: matched,
      what: "call",
      expected: { name: missing.name, args: missing.args },
      seen: { ended: json(seen.outcome) },
    };
  const pairs: readonly (readonly [what: string, expected: JsonValue, seen: JsonValue])[] = [
    // An output in which a secret was found determined the run's outcome, and is in no journal; its digest is.
    ...(end.returnedHash === undefined ? [["outcome", json(end.outcome), json(seen.outcome)] as const] : []),
    ["output", returnedHashOf(end), hashOf(seen.output)],
    ["fuel", end.fuelUsed, seen.fuelUsed],
    ["memory", end.memoryPeakBytes, seen.memoryPeakBytes],
  ];
  const different = pairs.find(([, expected, got]) => canonicalJson(expected) !== canonicalJson(got));
  return different && { at: "end", what: different[0], expected: different[1], seen: different[2] };
}

/** A run that was killed must do all that is known of it, and may then do what it likes. */
function compareCut({ calls }: Journal, seen: SandboxEnd, matched: number): Divergence | undefined {
  const missing = calls[matched];
  if (missing === undefined) return undefined;
  return {
    at: matched,
    what: "call",
    expected: { name: missing.name, args: missing.args },
    seen: { ended: json(seen.outcome) },
  };
}

function replayStop({ outcome }: SandboxEnd): "replay-ended" | "replay-diverged" | undefined {
  if (outcome.kind !== "trapped") return undefined;
  return outcome.reason === "replay-ended" || outcome.reason === "replay-diverged"
    ? outcome.reason
    : undefined;
}

function describeCut({ calls, end }: Journal): string {
  const where = calls.length === 0 ? "before its first call" : `after call ${calls.length - 1}`;
  return `${where}: ${canonicalJson(json(end.outcome))}`;
}

/** An outcome as JSON: the same members; only an interface's lack of an index signature stands between the types. */
function json(outcome: Outcome): JsonValue {
  return { ...outcome };
}

/** What a guest returned in a run of which something was overwritten has the secret in it: nobody is shown that now either. */
export function withoutSecret(outcome: Outcome, { returnedHash }: Journal["end"]): Outcome {
  return returnedHash !== undefined && outcome.kind === "failed" ? { ...outcome, error: null } : outcome;
}

function returnedHashOf({ output, returnedHash }: Journal["end"]): string | null {
  return returnedHash ?? hashOf(output);
}

function hashOf(output: JsonValue | undefined): string | null {
  return output === undefined ? null : `sha256:${sha256Hex(canonicalJson(output))}`;
}
