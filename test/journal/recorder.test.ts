/** Recording: what crosses is noted in its order, its bound holds while the run goes on, and nothing is kept in part. */
import { describe, expect, it } from "vitest";
import { readJournal } from "../../src/core/journal/index.ts";
import { createRecorder, type JournalBounds } from "../../src/journal/index.ts";
import type { HostCall, SandboxEnd } from "../../src/ports/index.ts";
import { createFakeRunHost, type FakeRunHostFaults } from "../support/fake-run-host.ts";
import { journalHead } from "../support/journals.ts";

const END: SandboxEnd = {
  outcome: { kind: "completed" },
  output: "out",
  fuelUsed: 5,
  memoryPeakBytes: 6,
  outputBytes: 5,
  wallMs: 1,
};
const OVER = { kind: "exhausted", budget: "journal_bytes" };

function callOf(name: string, bytes = 0): HostCall {
  return {
    name,
    args: { name },
    body: new Uint8Array(bytes),
    fuelUsed: 1,
    trace: { clock: [1, 2], order: [0] },
  };
}

function record(bounds: Partial<JournalBounds> = {}, faults: FakeRunHostFaults = {}) {
  const host = createFakeRunHost(faults);
  const full = { bytes: 10_000, over: "stop", output: true, ...bounds } as const;
  return { host, recorder: createRecorder(journalHead({ input: 1 }), full, host) };
}

describe("createRecorder()", () => {
  it("leaves the search for secrets in place, whatever of the run it keeps", () => {
    const release = () => ({ output: "[redacted]", withheld: true });
    for (const kind of ["full", "kept"] as const) {
      const recorder = createRecorder(
        { ...journalHead({ input: 1 }), kind },
        { bytes: 10_000, over: "stop", output: true },
        createFakeRunHost({ search: release }),
      );
      expect(recorder.host.release?.("a secret")).toEqual(release());
    }
    expect(record().recorder.host.release).toBeUndefined();
  });

  it("notes calls as they are made and replies as they are given, each to its own", async () => {
    const first = Promise.withResolvers<void>();
    const { recorder } = record(
      {},
      {
        async reply(_, n) {
          if (n === 0) await first.promise;
          return { kind: "ok", value: n };
        },
      },
    );
    const slow = recorder.host.call(callOf("slow"));
    await recorder.host.call(callOf("fast"));
    first.resolve();
    await slow;
    const { text = "" } = recorder.finish(END);
    expect(text.split("\n").map((line) => line.slice(0, 10))).toEqual([
      '{"journal"',
      '{"call":0,',
      '{"call":1,',
      '{"reply":1',
      '{"reply":0',
      '{"end":tru',
      "",
    ]);
    expect(readJournal(text).calls.map(({ reply }) => reply)).toEqual([
      { kind: "ok", value: 0 },
      { kind: "ok", value: 1 },
    ]);
  });

  it("stops a run before the call that it has no room for, and from then on", async () => {
    const { host, recorder } = record();
    expect(await recorder.host.call(callOf("large", 9_000))).toEqual({ kind: "stop", outcome: OVER });
    expect(await recorder.host.call(callOf("small"))).toEqual({ kind: "stop", outcome: OVER });
    expect(host.calls).toEqual([]);
    expect(recorder.finish(END)).toMatchObject({ text: undefined, end: { outcome: OVER } });
  });

  it("stops a run whose replies it has no room for", async () => {
    const reply = { kind: "ok", value: "x".repeat(20_000) } as const;
    const { recorder } = record({}, { reply: () => reply });
    expect(await recorder.host.call(callOf("any"))).toEqual({ kind: "stop", outcome: OVER });
  });

  it("withholds an output that it has no room for", () => {
    const { recorder } = record();
    const { text, end } = recorder.finish({ ...END, output: "x".repeat(20_000) });
    expect(text).toBeUndefined();
    expect(end).toEqual({ ...END, output: undefined, outcome: OVER, outputBytes: 0 });
    expect("output" in end).toBe(false);
  });

  it("lets a run go on and keeps nothing of it, where its policy says so", async () => {
    const { host, recorder } = record({ over: "drop" });
    for (const name of ["large", "small"])
      expect(await recorder.host.call(callOf(name, 9_000))).toEqual({ kind: "ok", value: null });
    expect(host.calls).toHaveLength(2);
    expect(recorder.finish(END)).toEqual({ text: undefined, end: END });
  });

  it("passes on what its host says, whenever it is asked", () => {
    const denial = { import: "i", target: "t" };
    const { recorder } = record({}, { denial });
    expect(recorder.host.denial).toBe(denial);
    expect(recorder.finish(END).text).toContain('"denial":{"import":"i","target":"t"}');
  });

  it("keeps an output only where it is to", () => {
    expect(record({ output: false }).recorder.finish(END).text).not.toContain('"output":');
    expect(record().recorder.finish(END).text).toContain('"output":"out"');
  });
});
