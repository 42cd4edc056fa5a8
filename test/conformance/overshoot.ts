/**
 * `node test/conformance/overshoot.ts [--times 3] [--only arrays] [--blind]`: guests that try to have their executor hold more than
 * they were granted, each alone in one; what the kernel says that it held at most, beyond what it held before and what was
 * granted. With `--blind` the gateway's watch sees nothing, and the kernel's limit is alone. That is a figure of the machine
 * as it was just then, and fails nothing; an end that has no name does.
 */
import { writeFileSync } from "node:fs";
import { loadavg } from "node:os";
import process from "node:process";
import { parseArgs } from "node:util";
import { runtime } from "#runtime";
import type { ExecutorProcess } from "../../src/ports/index.ts";
import { componentOf } from "../support/components.ts";
import { ECHO_GUEST } from "../support/guests.ts";
import { memoryOf } from "../support/processes.ts";
import { openSandbox } from "../support/sandbox.ts";
import { openGreed } from "./overshoot/ways.ts";

const { values } = parseArgs({
  options: {
    times: { type: "string", default: "1" },
    only: { type: "string", default: "" },
    blind: { type: "boolean", default: false },
  },
});
const MIB = 2 ** 20;
const GRANTED = 16 * MIB;

// Waiting callers and new executors are all that is left at times, and neither keeps a process alive.
const awake = setInterval(() => undefined, 60_000);
let peakBytes = 0;
/** Of the executor itself, which may end by itself at any moment: looked at again and again, and before it is killed. */
function watched(executor: ExecutorProcess): ExecutorProcess {
  const look = () => {
    peakBytes = Math.max(peakBytes, memoryOf(executor.view.pid() ?? 0).peakBytes);
  };
  const looking = setInterval(look, 1);
  void executor.exited.then(() => clearInterval(looking));
  const { view } = executor;
  const memory = () => {
    const seen = view.memory();
    return seen && values.blind ? { ...seen, residentBytes: 0 } : seen;
  };
  return {
    ...executor,
    view: { ...view, memory },
    kill() {
      look();
      executor.kill();
    },
  };
}
const box = await openSandbox({
  executors: 1,
  most: 1,
  spawn: (role, cage) =>
    role === "run" ? watched(runtime.spawnExecutor(role, cage)) : runtime.spawnExecutor(role, cage),
});
const echo = await componentOf(ECHO_GUEST);
const faults: string[] = [];
const all: number[] = [];
const NAMED = ["completed", "exhausted", "timed-out"];

for (const { name, component } of await openGreed()) {
  if (!name.includes(values.only)) continue;
  const seen: number[] = [];
  const ends = new Set<string>();
  const options = { memoryBytes: GRANTED, fuel: 1e13, timeToLiveMs: 8000, outputBytes: 32 * MIB };
  await box.sandbox.prepare(component, GRANTED);
  for (let again = 0; again < Number(values.times); again += 1) {
    await box.call(echo, "run", { n: 1 }, { timeToLiveMs: 60_000, memoryBytes: GRANTED });
    await box.call(component, "run", { n: 0 }, { ...options, timeToLiveMs: 60_000 });
    const executor = box.started.findLast(({ role }) => role === "run")?.process;
    const pid = executor?.view.pid() ?? 0;
    // Its peak is that of loading; from here on it is the guest's.
    writeFileSync(`/proc/${pid}/clear_refs`, "5");
    const before = memoryOf(pid).nowBytes;
    peakBytes = 0;
    const { outcome } = await box.call(component, "run", { n: 1 }, options);
    peakBytes = Math.max(peakBytes, memoryOf(pid).peakBytes);
    seen.push((peakBytes - before - GRANTED) / MIB);
    ends.add("budget" in outcome ? `${outcome.kind} ${outcome.budget}` : outcome.kind);
    if (!NAMED.includes(outcome.kind)) faults.push(`${name}: ended as ${JSON.stringify(outcome)}`);
    executor?.kill();
    await executor?.exited;
  }
  all.push(...seen);
  console.log(`${inMib(seen)}  ${name}: ${[...ends].join(", ")}`);
}
await box.close();
clearInterval(awake);
console.log(
  `${inMib(all)}  beyond a grant of ${GRANTED / MIB} MiB at most, of ${all.length} runs under ${runtime.name}; load ${loadavg()[0]?.toFixed(0)}`,
);
for (const fault of faults) console.error(`fault: ${fault}`);
process.exitCode = faults.length === 0 ? 0 : 1;

function inMib(seen: readonly number[]): string {
  return `${Math.max(...seen).toFixed(0)} MiB`.padStart(8);
}
