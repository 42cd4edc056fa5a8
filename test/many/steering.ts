/**
 * The operator of the stage: while gateways come and go under load, a tool is rolled back, stopped, let go, given a canary
 * and rolled back again. What each gateway let begin afterwards is compared with what he said.
 */

import { cp, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { runtime } from "#runtime";
import type { ToolCommand } from "../../src/core/rollout/index.ts";
import { firstRunOf } from "../../src/gateway/index.ts";
import type { Store } from "../../src/ports/index.ts";
import { policyIdsOf } from "../../src/registry/index.ts";
import { openDatabase, openTools } from "../../src/wiring/index.ts";
import { PATIENT } from "../support/small-tools.ts";

/** The tool that is steered. */
export const STEERED = "steered";
/** By then every gateway has heard of a command, or lets nothing begin: a second, and one for how well clocks are read. */
const HEARD_MS = 2_000;
/** How long each state is looked at beyond that. */
const LOOK_MS = 1_000;
/** Runs after which a canary of half of them has certainly had one, and the others too. */
const ENOUGH = 24;

/** What was in force, and between which moments of the database's clock certainly so. */
interface Span {
  readonly name: string;
  /** Versions that may begin. */
  readonly versions: readonly number[];
  readonly saidMs: number;
  readonly untilMs: number;
}

/** Adds the hash tool as the one that is steered, in its first version. */
export async function addSteered(tools: string): Promise<void> {
  const [from, to] = [join(tools, "hash"), join(tools, STEERED)];
  await cp(from, to, { recursive: true });
  const file = JSON.parse(await readFile(join(from, "tool.json"), "utf8"));
  await writeFile(join(to, "tool.json"), JSON.stringify({ ...file, name: STEERED }));
  await writePolicy(tools, "60000");
}

/** Changes its policy, which makes a second version: whoever starts from now on activates it. */
export function changeSteered(tools: string): Promise<void> {
  return writePolicy(tools, "60001");
}

async function writePolicy(tools: string, durationMs: string): Promise<void> {
  const policy = await readFile(join(tools, "hash", "policy.yaml"), "utf8");
  await writeFile(
    join(tools, STEERED, "policy.yaml"),
    policy.replace("tool_id: hash", `tool_id: ${STEERED}`).replace(PATIENT, `max_duration_ms: ${durationMs}`),
  );
}

const PLAN: readonly { readonly command: ToolCommand; readonly versions: readonly number[] }[] = [
  { command: { kind: "rollback" }, versions: [1] },
  { command: { kind: "suspend", reason: "drill" }, versions: [] },
  { command: { kind: "resume" }, versions: [1] },
  { command: { kind: "canary", version: 2, basisPoints: 5000, tenants: [] }, versions: [1, 2] },
  { command: { kind: "rollback" }, versions: [1] },
];

/** Commands, one after another, through whatever happens to the database. @returns what was in force when */
export async function steer(url: string, dataFolder: string): Promise<readonly Span[]> {
  const tools = await openTools(runtime, { dataFolder, databaseUrl: url });
  const store = await openDatabase(runtime, url);
  const spans: Span[] = [];
  try {
    for (const { command, versions } of PLAN) {
      const beganMs = await stubbornly(() => store.nowMs());
      const last = spans.pop();
      if (last !== undefined) spans.push({ ...last, untilMs: beganMs });
      await stubbornly(() => tools.command(STEERED, command, "for the test"));
      const saidMs = await stubbornly(() => store.nowMs());
      spans.push({ name: command.kind, versions, saidMs, untilMs: Number.POSITIVE_INFINITY });
      await pause(HEARD_MS + LOOK_MS);
    }
    return spans;
  } finally {
    await tools.close();
    await store.close();
  }
}

/** While the database is away an operator tries again. */
async function stubbornly<T>(act: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await act();
    } catch (error) {
      if (attempt === 100) throw error;
      await pause(200);
    }
  }
}

/** @returns what began that should not have, and what should have and did not */
export async function examineSteering(store: Store, spans: readonly Span[]): Promise<readonly string[]> {
  const versionOf = new Map<string, number>();
  for (const version of await store.versions.listVersions(STEERED, 10))
    for (const policyId of policyIdsOf(version)) versionOf.set(policyId, version.number);
  if (versionOf.size !== 2) return [`${STEERED} has ${versionOf.size} versions, want 2`];

  const began: { readonly run: string; readonly version: number }[] = [];
  for (let after = ""; ; ) {
    const rows = await store.scanRuns(after, 500);
    for (const { intent } of rows) {
      if (intent.tool !== STEERED) continue;
      const { policy_id, outcome } = JSON.parse(intent.predicate);
      if (outcome === undefined) began.push({ run: intent.run, version: versionOf.get(policy_id) ?? 0 });
    }
    const last = rows.at(-1);
    if (last === undefined) break;
    after = last.intent.run;
  }

  const faults: string[] = [];
  const told: string[] = [];
  for (const { name, versions, saidMs, untilMs } of spans) {
    const within = (fromMs: number) =>
      began.filter(
        ({ run }) => run >= firstRunOf(fromMs) && (untilMs === Infinity || run < firstRunOf(untilMs)),
      );
    const wrong = ({ version }: { readonly version: number }) => !versions.includes(version);
    for (const one of within(saidMs + HEARD_MS).filter(wrong))
      faults.push(`${one.run} of version ${one.version} began long after ${name}`);
    const right = within(saidMs + HEARD_MS).filter((one) => !wrong(one));
    // Of each, where there were enough to tell.
    if (right.length >= ENOUGH)
      for (const version of versions)
        if (!right.some((one) => one.version === version))
          faults.push(`none of version ${version} began after ${name}`);
    told.push(`${name}: ${within(saidMs).filter(wrong).length} late, then ${right.length} right`);
  }
  if (!began.some(({ version }) => version === 2)) faults.push("the second version was never in force");
  console.log(`steered ${told.join("; ")}`);
  return faults;
}
