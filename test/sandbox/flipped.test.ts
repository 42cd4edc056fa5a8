/**
 * Damaged components. Any flip of bytes of one is refused in words, or the component runs: within its fuel and memory,
 * with no call but those that it was granted, to an end that has a name. `WRIT_FLIPS=20000` tries more of each.
 */
import { env } from "node:process";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { checkInput } from "../../src/core/component/index.ts";
import { GatewayError } from "../../src/core/errors.ts";
import type { ExecutorHost } from "../../src/ports/index.ts";
import { randomStream } from "../../src/runtime/executor-common.ts";
import { createRooms } from "../../src/sandbox/executor/rooms.ts";
import { type LoadedComponent, type RunReport, startRun } from "../../src/sandbox/executor/run.ts";
import type { RunCommand } from "../../src/sandbox/pipe/messages.ts";
import { prepareComponent, Refused } from "../conformance/component-model/component.ts";
import {
  admit,
  assemble,
  type Exported,
  LOG_IMPORT,
  MEMORY_MODULE,
  RUN_INFO_IMPORT,
} from "../support/components.ts";
import { LOGGING_PART, WAIT_IMPORTS } from "../support/guests.ts";

const FLIPS = Number(env["WRIT_FLIPS"] ?? 200);
const MIB = 1024 * 1024;
const LIMITS = { fuel: 300_000, memoryBytes: 8 * MIB, outputBytes: 65_536, liftedBytes: MIB, hostCalls: 200 };
/** Ends that say that nobody knows what happened. */
const UNNAMED = ["invalid-value", "trap"];

/** Guests with something at every border: texts, lists, variants, handles, a nested component, a start function. */
const GUESTS: Readonly<Record<string, string>> = {
  "writes to the log": `(component ${LOG_IMPORT} ${MEMORY_MODULE} ${LOGGING_PART})`,
  "reads what it is told of its run": `(component ${RUN_INFO_IMPORT} ${MEMORY_MODULE}
    (core func $describe (canon lower (func $describe)
      (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
    (core module $guest (import "h" "describe" (func $describe (param i32)))
      (func $start) (start $start)
      (func (export "run") (param i32) (result i32) (call $describe (i32.const 16)) i32.const 16))
    (core instance $guest (instantiate $guest (with "h" (instance (export "describe" (func $describe))))))
    (func (export "run") (param "n" u32) (result string)
      (canon lift (core func $guest "run") (memory (core memory $libc "memory")))))`,
  "keeps handles of its own and of the host": `(component ${WAIT_IMPORTS}
    (type $thing (resource (rep i32)))
    (core func $new (canon resource.new $thing)) (core func $drop (canon resource.drop $thing))
    (core func $rep (canon resource.rep $thing))
    (core module $guest
      (import "h" "new" (func $new (param i32) (result i32))) (import "h" "drop" (func $drop (param i32)))
      (import "h" "rep" (func $rep (param i32) (result i32))) (import "h" "subscribe" (func $subscribe (param i64) (result i32)))
      (import "h" "block" (func $block (param i32)))
      (func (export "run") (param i32) (result i32) (local $h i32)
        (local.set $h (call $new (local.get 0)))
        (call $block (call $subscribe (i64.const 1)))
        (call $rep (local.get $h)) (call $drop (local.get $h))))
    (core instance $guest (instantiate $guest (with "h" (instance (export "new" (func $new)) (export "drop" (func $drop))
      (export "rep" (func $rep)) (export "subscribe" (func $subscribe)) (export "block" (func $block))))))
    (func (export "run") (param "n" u32) (result s32) (canon lift (core func $guest "run"))))`,
  "gives back what it was given, through a child": `(component
    (component $child
      (core module $m (memory (export "m") 1)
        (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 1024)
        (func (export "run") (param i32 i32) (result i32)
          (i32.store (i32.const 16) (local.get 0)) (i32.store (i32.const 20) (local.get 1)) i32.const 16)
        (func (export "done") (param i32)))
      (core instance $i (instantiate $m))
      (type $variant (variant (case "none") (case "some" (tuple u8 char))))
      (export $item "item" (type $variant))
      (func (export "run") (param "items" (list $item)) (result (list $item))
        (canon lift (core func $i "run") (memory (core memory $i "m")) (realloc (core func $i "realloc"))
          (post-return (core func $i "done")))))
    (instance $c (instantiate $child))
    (export $item "item" (type $c "item"))
    (export "run" (func $c "run") (func (param "items" (list $item)) (result (list $item)))))`,
};
const INPUTS = {
  "gives back what it was given, through a child": {
    items: [{ tag: "none" }, { tag: "some", val: [3, "é"] }],
  },
} as Readonly<Record<string, RunCommand["input"]>>;

const HOST: ExecutorHost = {
  role: "run",
  readInput: () => Promise.resolve(),
  write: () => Promise.resolve(),
  runtime: "in-process",
  monotonicMs: () => performance.now(),
  nextRound: () => Promise.resolve(),
  randomStream,
  probe: () => Promise.resolve([]),
  exit() {
    throw new TypeError("The executor exited");
  },
};

async function run(component: LoadedComponent, target: Exported, input: RunCommand["input"]) {
  const asked: string[] = [];
  const command: RunCommand = {
    type: "run",
    run: "run_1",
    key: "",
    ...target,
    input,
    limits: LIMITS,
    seed: "00".repeat(32),
    wallMs: 0,
    timeToLiveMs: 1000,
    settings: { environment: [], arguments: [], config: [], roots: [] },
    info: { traceId: "", tool: "", purpose: "" },
    profiled: false,
  };
  const pipe = {
    ask(name: string) {
      asked.push(name);
      return Promise.resolve({ kind: "ok", value: null } as const);
    },
    pause: () => undefined,
    rooms: createRooms(),
    turn: () => undefined,
  };
  const underWay = startRun(component, command, pipe, HOST);
  // A flipped duration may be an hour.
  const late = setTimeout(() => underWay.stop(), 50);
  const report = await underWay.report;
  clearTimeout(late);
  return { report, asked };
}

/** @returns how it ended; nothing when it is refused, or its function no longer takes the input */
async function tryOut(bytes: Uint8Array<ArrayBuffer>, input: RunCommand["input"]) {
  let loaded: LoadedComponent;
  let exported: Exported;
  try {
    // As the gateway does: intake, then the preparer.
    const component = await admit(bytes);
    const found = component.exports.flatMap((scope) =>
      scope.functions.map((func) => ({ interface: scope.interface, function: func })),
    );
    const run = found.find((it) => it.function.name === "run");
    if (run === undefined) return undefined;
    exported = run;
    loaded = await prepareComponent(bytes, component.imports);
  } catch (error) {
    if (error instanceof Refused) return undefined;
    if (error instanceof GatewayError && error.code === "component-refused") return undefined;
    throw error;
  }
  return checkInput(exported.function, input).length > 0 ? undefined : run(loaded, exported, input);
}

function expectNamed({ end, fuelUsed, memoryPeakBytes, doubtful }: RunReport): void {
  if (end.kind === "trapped") expect(UNNAMED).not.toContain(end.reason);
  expect({ end, doubtful }).toMatchObject({ doubtful: false });
  expect(fuelUsed).toBeLessThanOrEqual(LIMITS.fuel);
  expect(memoryPeakBytes).toBeLessThanOrEqual(256 * MIB);
}

describe("any flip of bytes in a component that", () => {
  it.each(Object.keys(GUESTS))(
    "%s is refused, or runs within its grants to a named end",
    async (name) => {
      const whole = await assemble(GUESTS[name] ?? "");
      const input = INPUTS[name] ?? { n: 3 };
      const unchanged = await tryOut(whole, input);
      expect(unchanged?.report.end.kind).toBe("completed");
      const granted = new Set(unchanged?.asked);
      let ran = 0;
      const flips = fc.array(fc.tuple(fc.nat(whole.length - 1), fc.integer({ min: 1, max: 255 })), {
        minLength: 1,
        maxLength: 3,
      });
      await fc.assert(
        fc.asyncProperty(flips, async (places) => {
          const bytes = whole.slice();
          for (const [at, mask] of places) bytes[at] = (bytes[at] ?? 0) ^ mask;
          const ended = await tryOut(bytes, input);
          if (ended === undefined) return;
          ran += 1;
          expectNamed(ended.report);
          expect([...new Set(ended.asked)].filter((call) => !granted.has(call))).toEqual([]);
        }),
        { numRuns: FLIPS },
      );
      // Most flips are noticed; those that are not are what this is about.
      expect(ran).toBeGreaterThan(FLIPS / 50);
    },
    120_000,
  );
});
