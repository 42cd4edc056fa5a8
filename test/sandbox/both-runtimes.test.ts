/**
 * The same run in a Node and in a Deno executor: fuel, depth, output and random numbers must be the same to the
 * unit, or a manifest could not be replayed elsewhere.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runtime } from "#runtime";
import type { OutcomeKind } from "../../src/core/manifest/types.ts";
import type { JsonValue } from "../../src/core/policy/types.ts";
import type { HostCall, HostReply } from "../../src/ports/index.ts";
import { componentOf, sampleTool } from "../support/components.ts";
import { EACH_RUNTIME } from "../support/each-runtime.ts";
import { RANDOM_GUEST } from "../support/guests.ts";
import { openSandbox, type TestSandbox } from "../support/sandbox.ts";

/** Draws seeds that a test can draw again. */
const seeded = (seed: number) => ({ bytes: (length: number) => new Uint8Array(length).fill(seed) });

let boxes: readonly TestSandbox[];
beforeAll(async () => {
  boxes = await Promise.all(
    EACH_RUNTIME.map(([, spawn]) =>
      openSandbox({
        entropy: seeded(7),
        // Prepared by this runtime for both: two preparers at once would take the time of the test.
        spawn: (role) => (role === "prepare" ? runtime.spawnExecutor(role) : spawn(role)),
      }),
    ),
  );
});
afterAll(async () => {
  await Promise.all((boxes ?? []).map((box) => box.close()));
});

const answerHttp = (call: HostCall): HostReply => {
  switch (call.name) {
    case "http-client/send":
      return { kind: "ok", value: { status: 200, headers: [["content-type", "application/json"]], body: 1 } };
    case "http-client/read":
      return { kind: "ok", value: { end: true } };
    default:
      return { kind: "ok", value: null };
  }
};

const place = { latitude: 52.5, longitude: 13.4 };
const TOOLS: readonly (readonly [tool: string, func: string, input: JsonValue, kind: OutcomeKind])[] = [
  ["hash", "sha256", { data: "aGVsbG8gd29ybGQ=" }, "completed"],
  ["text", "stats", { text: "one two\nthree" }, "completed"],
  ["weather", "forecast", { place }, "failed"],
  ["rogue", "read-env", {}, "completed"],
  ["rogue", "read-file", { path: "/etc/passwd" }, "failed"],
];

describe.each(TOOLS)("run() of %s %s", (tool, func, input, kind) => {
  it("is the same on both runtimes, fuel and all", async () => {
    const component = await sampleTool(tool);
    const ends = [];
    for (const box of boxes) {
      const { wallMs, queuedMs, host, ...end } = await box.call(component, func, input, {
        reply: answerHttp,
        fuel: 1e9,
        // The first run of a large tool is prepared and loaded within it, however busy the machine is.
        timeToLiveMs: 120_000,
      });
      ends.push({ ...end, calls: host.calls.map(({ name, args }) => ({ name, args })) });
    }
    expect(ends[0]?.fuelUsed).toBeGreaterThan(0);
    expect(ends[0]?.outcome.kind).toBe(kind);
    if (func === "read-env") expect(ends[0]?.output).toEqual([]);
    expect(ends[1]).toEqual(ends[0]);
  }, 240_000);
});

describe("run()", () => {
  it.each([
    ["no locals", `(func $f (export "run") call $f)`],
    ["one local", `(func $f (export "run") (local i64) call $f)`],
    ["40 locals", `(func $f (export "run") (local ${"i64 ".repeat(40)}) call $f)`],
    [
      "400 operands",
      `(memory 1) (func $f (export "run") ${"(i64.load (i32.const 0)) ".repeat(400)} call $f ${"drop ".repeat(400)})`,
    ],
    [
      "900 parameters and results",
      `(type $t (func (param ${"i64 ".repeat(900)}) (result ${"i64 ".repeat(900)})))
       (func $f (type $t) ${Array.from({ length: 900 }, (_, i) => `local.get ${i}`).join(" ")} call $f)
       (func (export "run") ${"i64.const 1 ".repeat(900)} call $f ${"drop ".repeat(900)})`,
    ],
  ])("nests as many frames on both runtimes, with %s each", async (_name, code) => {
    const component = await componentOf(`(component
      (core module $guest ${code})
      (core instance $guest (instantiate $guest))
      (func (export "run") (canon lift (core func $guest "run"))))`);
    const ends = await Promise.all(boxes.map((box) => box.call(component, "run", {})));
    expect(ends.map(({ outcome }) => outcome)).toEqual([
      { kind: "exhausted", budget: "call_depth" },
      { kind: "exhausted", budget: "call_depth" },
    ]);
    expect(ends[1]?.fuelUsed).toBe(ends[0]?.fuelUsed);
    expect(ends[0]?.fuelUsed).toBeGreaterThan(20);
  });

  it("draws the same random numbers from the same seed on both runtimes", async () => {
    const component = await componentOf(RANDOM_GUEST);
    const ends = await Promise.all(boxes.map((box) => box.call(component, "run", {})));
    expect(ends[0]?.output).toMatch(/^\d{10,20}$/);
    expect(ends[1]?.output).toBe(ends[0]?.output);
  });
});
