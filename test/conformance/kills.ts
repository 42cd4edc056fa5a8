/**
 * `node test/conformance/kills.ts --kills 200 [--seconds 60] [--time-to-live 700] [--tenants 2]`: ends guests that refuse to
 * stop, each in its own way, until so many executors were killed for it, and looks for what is left: processes,
 * descriptors, memory of this process, runs without an end, hosts that were not closed. Exits with 1 when there is
 * anything. Under `--expose-gc` (Deno: `--v8-flags=--expose-gc`) garbage does not count as memory that is left.
 *
 * It also says how long after its deadline each run ended, and how long its process took to die; both are figures of the
 * machine as it was just then, and fail nothing.
 */
import { readdirSync } from "node:fs";
import { loadavg } from "node:os";
import process from "node:process";
import { parseArgs } from "node:util";
import { runtime } from "#runtime";
import { GatewayError } from "../../src/core/errors.ts";
import type { ExecutorProcess } from "../../src/ports/index.ts";
import { alive, childrenOf } from "../support/processes.ts";
import { openSandbox } from "../support/sandbox.ts";
import { prepareWays, type Way } from "./kills/ways.ts";

const { values } = parseArgs({
  options: {
    kills: { type: "string", default: "200" },
    /** After which none begins. */
    seconds: { type: "string", default: "1e6" },
    "time-to-live": { type: "string", default: "700" },
    /** As many are under way at once, each in an executor of its own. */
    tenants: { type: "string", default: "2" },
  },
});
const wanted = Number(values.kills);
const tenants = Array.from({ length: Number(values.tenants) }, (_, index) => `tenant-${index}`);
/** What a run of the collector may leave for the next. */
const MOST_GROWTH_MIB = 64;

// Waiting callers and new executors are all that is left at times, and neither keeps a process alive.
const awake = setInterval(() => undefined, 60_000);
/** ms from the first kill of a process until it was gone. */
const deaths: number[] = [];
/** Process numbers of all executors. The processes are not kept: what would be left of thousands were ours. */
const executors: number[] = [];
const box = await openSandbox({
  executors: tenants.length,
  keepStarted: false,
  spawn: (role, cage) => timed(runtime.spawnExecutor(role, cage), role === "run"),
});
const ways = await prepareWays(box, Number(values["time-to-live"]));

const faults: string[] = [];
const ends = new Map<string, number>();
/** ms past its deadline at which a run ended, by its way. */
const late = new Map<string, number[]>();
const before = { descriptors: 0, mib: 0 };
/** What this process holds, in MiB, without the garbage where that can be collected. */
const held = () => {
  Reflect.get(globalThis, "gc")?.();
  return process.memoryUsage().rss / 2 ** 20;
};
const descriptors = () => readdirSync("/proc/self/fd").length;
/** Those that are still ours: after thousands of processes their numbers are other people's. */
const living = () => {
  const children = new Set(childrenOf(process.pid));
  return alive([...new Set(executors)].filter((pid) => children.has(pid)));
};

let next = 0;
/** Runs whose time was over before they had an executor. */
let waited = 0;
async function worker(tenant: string): Promise<void> {
  while (deaths.length < wanted && performance.now() - startedAt < Number(values.seconds) * 1000) {
    const mine = next++;
    const way = ways.at(mine);
    const end = await runBy(tenant, way);
    const kind = "budget" in end.outcome ? `${end.outcome.kind} ${end.outcome.budget}` : end.outcome.kind;
    ends.set(kind, (ends.get(kind) ?? 0) + 1);
    if (kind === "timed-out")
      late.set(way.name, [...(late.get(way.name) ?? []), end.wallMs - way.timeToLiveMs]);
    if (end.host.closed === 0) faults.push(`run ${mine} (${way.name}) ended and its host was not closed`);
    // What is made once has been made by then.
    if (before.descriptors === 0 && deaths.length >= Math.min(200, wanted / 4)) {
      before.descriptors = descriptors();
      before.mib = held();
    }
    if (mine % 100 === 99)
      console.log(
        `  … ${mine + 1} runs, ${deaths.length} of ${wanted} executors killed, killed to dead: ${spread(deaths)}, memory ${Math.round(held())} MiB, load ${loadavg()[0]?.toFixed(0)}`,
      );
  }
}

/** One that is late for an executor that starts would kill nothing: on a busy machine some are, and are run again. */
async function runBy(tenant: string, way: Way) {
  for (;;) {
    await ways.begin(tenant);
    try {
      return await way.run(tenant);
    } catch (error) {
      if (!(error instanceof GatewayError) || error.code !== "sandbox-unavailable") throw error;
      waited += 1;
    }
  }
}

const startedAt = performance.now();
await Promise.all(tenants.map(worker));
const took = performance.now() - startedAt;
const runs = next;

const after = { descriptors: descriptors(), mib: held() };
const left = living();
// Those in use, their replacements, and what is dying just now.
if (left.length > 4 * tenants.length)
  faults.push(`${left.length} executors are alive, wanted at most ${4 * tenants.length}`);
if (after.descriptors > before.descriptors + 12 * tenants.length)
  faults.push(`descriptors grew from ${before.descriptors} to ${after.descriptors}`);
if (after.mib > before.mib + MOST_GROWTH_MIB)
  faults.push(`memory grew from ${Math.round(before.mib)} to ${Math.round(after.mib)} MiB`);
const counted = [...ends.values()].reduce((sum, count) => sum + count, 0);
if (counted !== runs) faults.push(`${counted} runs ended, wanted ${runs}`);
const unexpected = [...ends].filter(([kind]) => kind !== "timed-out");
for (const [kind, count] of unexpected) faults.push(`${count} runs ended as ${kind}, wanted timed-out`);
await box.close();
const remaining = living();
if (remaining.length > 0) faults.push(`${remaining.length} executors outlived the pool`);
clearInterval(awake);

console.log(
  `${runs} runs under ${runtime.name} in ${Math.round(took / 1000)} s, ${deaths.length} executors killed of ${executors.length}; descriptors ${before.descriptors} → ${after.descriptors}, memory ${Math.round(before.mib)} → ${Math.round(after.mib)} MiB`,
);
if (waited > 0) console.log(`  ${waited} were late for their executor, and were run again`);
for (const [name, all] of late) console.log(`  ended after its deadline: ${spread(all)}  ${name}`);
console.log(`  killed to dead:           ${spread(deaths)}`);
for (const fault of faults) console.error(`fault: ${fault}`);
process.exitCode = faults.length === 0 ? 0 : 1;

function timed(executor: ExecutorProcess, counts: boolean): ExecutorProcess {
  if (!counts) return executor;
  executors.push(executor.pid);
  let killedAt: number | undefined;
  void executor.exited.then(() => {
    if (killedAt !== undefined) deaths.push(performance.now() - killedAt);
  });
  return {
    ...executor,
    kill() {
      killedAt ??= performance.now();
      executor.kill();
    },
  };
}

function spread(all: readonly number[]): string {
  const sorted = all.toSorted((a, b) => a - b);
  const at = (part: number) =>
    `${(sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? 0).toFixed(0)} ms`;
  return `p50 ${at(0.5)}, p99 ${at(0.99)}, most ${at(1)} of ${sorted.length}`;
}
