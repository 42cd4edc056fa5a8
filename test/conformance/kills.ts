/**
 * `node test/conformance/kills.ts --kills 200`: ends executors one after another by guests that do not stop by
 * themselves, and looks for what is left: processes, descriptors, memory of this process, runs without an end, hosts
 * that were not closed. Exits with 1 when there is anything.
 */
import { readdirSync } from "node:fs";
import process from "node:process";
import { parseArgs } from "node:util";
import { runtime } from "#runtime";
import { componentOf } from "../support/components.ts";
import { SPIN_GUEST, TRAP_GUEST, WAIT_GUEST } from "../support/guests.ts";
import { alive } from "../support/processes.ts";
import { openSandbox } from "../support/sandbox.ts";

const { values } = parseArgs({ options: { kills: { type: "string", default: "200" } } });
const kills = Number(values.kills);
/** What a run of the collector may leave for the next. */
const MOST_GROWTH_MIB = 64;

// Waiting callers and new executors are all that is left at times, and neither keeps a process alive.
const awake = setInterval(() => undefined, 60_000);
const guests = await Promise.all([SPIN_GUEST, TRAP_GUEST, WAIT_GUEST].map(componentOf));
const box = await openSandbox({ executors: 2 });
for (const guest of guests) await box.sandbox.prepare(guest, 1 << 20);

const faults: string[] = [];
const ends = new Map<string, number>();
const before = { descriptors: 0, mib: 0 };
const descriptors = () => readdirSync("/proc/self/fd").length;
const executors = () =>
  box.started.filter(({ role }) => role === "run").map(({ process: child }) => child.pid);

let next = 0;
async function worker(tenant: string): Promise<void> {
  for (let mine = next++; mine < kills; mine = next++) {
    const guest = guests[mine % guests.length];
    if (guest === undefined) return;
    const options = { tenant, memoryBytes: 1 << 20, fuel: mine % 2 === 0 ? 1e15 : 1000, timeToLiveMs: 1500 };
    const end = await box.call(guest, "run", {}, options);
    const kind = "budget" in end.outcome ? `${end.outcome.kind} ${end.outcome.budget}` : end.outcome.kind;
    ends.set(kind, (ends.get(kind) ?? 0) + 1);
    if (end.host.closed === 0) faults.push(`run ${mine} ended and its host was not closed`);
    if (mine === Math.floor(kills / 4)) {
      before.descriptors = descriptors();
      before.mib = process.memoryUsage().rss / 2 ** 20;
    }
    if (mine % 100 === 99) console.log(`  … ${mine + 1} of ${kills}`);
  }
}

const startedAt = performance.now();
await Promise.all(["a", "b"].map(worker));
const took = performance.now() - startedAt;

const after = { descriptors: descriptors(), mib: process.memoryUsage().rss / 2 ** 20 };
const left = alive(executors());
// Two in use, their replacements, and what is dying just now.
if (left.length > 8) faults.push(`${left.length} executors are alive, wanted at most 8`);
if (after.descriptors > before.descriptors + 24)
  faults.push(`descriptors grew from ${before.descriptors} to ${after.descriptors}`);
if (after.mib > before.mib + MOST_GROWTH_MIB)
  faults.push(`memory grew from ${Math.round(before.mib)} to ${Math.round(after.mib)} MiB`);
const counted = [...ends.values()].reduce((sum, count) => sum + count, 0);
if (counted !== kills) faults.push(`${counted} runs ended, wanted ${kills}`);
await box.close();
const remaining = alive(executors());
if (remaining.length > 0) faults.push(`${remaining.length} executors outlived the pool`);
clearInterval(awake);

const summary = [...ends].map(([kind, count]) => `${count} ${kind}`).join(", ");
console.log(`${kills} runs under ${runtime.name}: ${summary}`);
console.log(
  `${executors().length} executors started in ${Math.round(took / 1000)} s; descriptors ${before.descriptors} → ${after.descriptors}, memory ${Math.round(before.mib)} → ${Math.round(after.mib)} MiB`,
);
for (const fault of faults) console.error(`fault: ${fault}`);
process.exitCode = faults.length === 0 ? 0 : 1;
