/** Runs that are recorded and replayed, in real executors of both runtimes: same calls, same end, same fuel. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Journal, readJournal } from "../../src/core/journal/index.ts";
import type { JsonValue } from "../../src/core/policy/index.ts";
import { replay } from "../../src/gateway/replay.ts";
import type { SandboxComponent } from "../../src/ports/index.ts";
import { closeListeners, listenHttp, listenTcp, openRun, rule } from "../broker/support.ts";
import { npmGuest } from "../guests/npm-guests.ts";
import { admit, componentOf, sampleTool } from "../support/components.ts";
import { EACH_RUNTIME } from "../support/each-runtime.ts";
import { createFakeRunHost } from "../support/fake-run-host.ts";
import { bodiesGuest } from "../support/get-guest.ts";
import { recordRun } from "../support/journals.ts";
import { openSandbox, type TestSandbox } from "../support/sandbox.ts";
import { slowService } from "../support/slow-service.ts";
import { wasi3Guest } from "../support/wasi3-guest.ts";
import { wasi3SocketsGuest } from "../support/wasi3-sockets-guest.ts";

let boxes: Readonly<Record<"node" | "deno", TestSandbox>>;
let tools: Readonly<Record<string, SandboxComponent>>;
beforeAll(async () => {
  const [node, deno] = await Promise.all(EACH_RUNTIME.map(([, spawn]) => openSandbox({ spawn })));
  if (node === undefined || deno === undefined) throw new TypeError("There is a runtime without a sandbox");
  boxes = { node, deno };
  const [hash, text, weather, rogue] = await Promise.all(
    ["hash", "text", "weather", "rogue"].map(sampleTool),
  );
  const [web, many] = await Promise.all([admit(await npmGuest("web")), admit(await npmGuest("many"))]);
  const wasi3 = await admit(await wasi3Guest());
  tools = Object.fromEntries(
    Object.entries({ hash, text, weather, rogue, web, many, wasi3 }).flatMap(([k, v]) => (v ? [[k, v]] : [])),
  );
});
afterAll(async () => {
  await Promise.all([boxes?.node.close(), boxes?.deno.close()]);
});

function toolOf(name: string): SandboxComponent {
  const tool = tools[name];
  if (tool === undefined) throw new TypeError(`Cannot find the tool ${name}`);
  return tool;
}

const PLACE = { place: { latitude: 52.5, longitude: 13.4 } };
const WEATHER = ['{"temperature_c":', '1.5,"summary":"clear"}'];
const SERVICE = { pieces: WEATHER, longestMs: 20 };
const URL = "https://api.example/x";

/** Every end that a run can have by itself, with inputs of every kind on the way. */
const RUNS: readonly {
  readonly tool: string;
  readonly name: string;
  readonly input: JsonValue;
  readonly ends: string;
  readonly fuel?: number;
}[] = [
  { tool: "hash", name: "sha256", input: { data: "aGVsbG8=" }, ends: "completed" },
  { tool: "text", name: "stats", input: { text: "one two" }, ends: "completed" },
  { tool: "weather", name: "forecast", input: PLACE, ends: "completed" },
  { tool: "weather", name: "forecast", input: { place: { latitude: 91, longitude: 0 } }, ends: "failed" },
  { tool: "weather", name: "forecast", input: PLACE, ends: "exhausted", fuel: 1_000_000 },
  { tool: "rogue", name: "read-env", input: {}, ends: "completed" },
  { tool: "rogue", name: "spin", input: {}, ends: "exhausted", fuel: 10_000_000 },
  { tool: "rogue", name: "recurse", input: {}, ends: "trapped" },
  { tool: "web", name: "random", input: {}, ends: "completed" },
  { tool: "web", name: "now", input: {}, ends: "completed" },
  { tool: "web", name: "nap", input: { ms: 30 }, ends: "completed" },
  { tool: "web", name: "print", input: { text: "hi", times: 200 }, ends: "completed" },
  { tool: "web", name: "post", input: { url: URL, body: "b", "timeout-ms": null }, ends: "completed" },
  // The service and the timer race: whoever wins, wins again.
  {
    tool: "web",
    name: "post",
    input: { url: URL, body: "b", "timeout-ms": 25 },
    ends: "failed or completed",
  },
  { tool: "web", name: "crash", input: {}, ends: "trapped" },
  // Of WASI 0.3: tasks and streams, in the order in which the host's work came.
  { tool: "wasi3", name: "nap", input: { ms: 30 }, ends: "completed" },
  { tool: "wasi3", name: "say", input: { text: "hi", lasting: true }, ends: "completed" },
  {
    tool: "wasi3",
    name: "post",
    input: { authority: "api.example", path: "/x", body: "b" },
    ends: "completed",
  },
  {
    tool: "wasi3",
    name: "post",
    input: { authority: "api.example", path: "/x", body: "b" },
    ends: "exhausted",
    fuel: 150_000,
  },
];

describe("replay()", () => {
  for (const [index, { tool, name, input, ends, ...options }] of RUNS.entries()) {
    const on = index % 2 === 0 ? "node" : "deno";
    it(`repeats ${tool} ${name}, ${ends}, of ${on}, on the other runtime`, async () => {
      const host = createFakeRunHost(slowService(SERVICE));
      const recorded = await recordRun(boxes[on], toolOf(tool), name, input, { ...options, host });
      expect(ends).toContain(recorded.end.outcome.kind);
      const { sandbox } = on === "node" ? boxes.deno : boxes.node;
      const report = await replay(sandbox, recorded.tool, readJournal(recorded.text));
      expect(report.divergence).toBeUndefined();
      expect(report.verdict).toBe("identical");
      expect(report.fuel).toEqual({ expected: recorded.end.fuelUsed, seen: recorded.end.fuelUsed });
      expect(report.outputHash.seen).toBe(report.outputHash.expected);
    });
  }

  it.each([
    ["0.2", "deno", { times: 3 }],
    ["0.3", "node", {}],
  ] as const)(
    "repeats a TCP connection of WASI %s, of %s, when nobody listens any more",
    { timeout: 120_000 },
    async (version, on, more) => {
      const server = await listenTcp((socket) => socket.on("end", () => socket.end("x".repeat(100_000))));
      const { host } = openRun({
        grants: [{ kind: "sockets", rules: [{ host: "api.test", port: server.port }] }],
      });
      const guest = await admit(version === "0.2" ? await npmGuest("tcp") : await wasi3SocketsGuest());
      const input = { name: "api.test", port: server.port, text: "hello", ...more };
      const recorded = await recordRun(boxes[on], guest, "talk", input, { host, fuel: 2e9 });
      expect(recorded.end.output).toEqual({ ok: "x".repeat(100_000) });
      await closeListeners();
      const { sandbox } = on === "node" ? boxes.deno : boxes.node;
      const report = await replay(sandbox, recorded.tool, readJournal(recorded.text));
      expect([report.verdict, report.divergence]).toEqual(["identical", undefined]);
      expect(report.fuel.seen).toBe(recorded.end.fuelUsed);
    },
  );

  it.each(["node", "deno"] as const)(
    "repeats a body that left in what pieces there were time for, of %s",
    async (on) => {
      const server = await listenHttp((request, response) =>
        request.on("end", () => response.end("ok")).resume(),
      );
      const { host } = openRun({ rules: [rule("api.test", server.port)] });
      const guest = await admit(await bodiesGuest());
      const input = { authority: `api.test:${server.port}`, path: "/", seed: 1, bytes: 300_000, piece: 4096 };
      const recorded = await recordRun(boxes[on], guest, "exchange", input, { host, fuel: 2e9 });
      expect(recorded.end.outcome).toEqual({ kind: "completed" });
      await closeListeners();
      const { sandbox } = on === "node" ? boxes.deno : boxes.node;
      const report = await replay(sandbox, recorded.tool, readJournal(recorded.text));
      expect([report.verdict, report.divergence]).toEqual(["identical", undefined]);
      expect(report.fuel.seen).toBe(recorded.end.fuelUsed);
    },
  );

  it("repeats NaNs to the bit, whatever the engine's processor and compilers make of them", async () => {
    // Bits of 0/0, of the root of a negative number and of inf - inf; often enough that it is compiled twice.
    const component = await componentOf(`(component
      (core module $m
        (func (export "nans") (param $zero i32) (result i64)
          (local $n i32) (local $z f64) (local $bits i64)
          (local.set $z (f64.convert_i32_u (local.get $zero)))
          (loop $more
            (local.set $bits (i64.xor (i64.rotl (local.get $bits) (i64.const 7))
              (i64.reinterpret_f64 (f64.div (local.get $z) (local.get $z)))))
            (local.set $bits (i64.xor (i64.rotl (local.get $bits) (i64.const 7))
              (i64.reinterpret_f64 (f64.sqrt (f64.sub (local.get $z) (f64.const 1))))))
            (local.set $bits (i64.add (local.get $bits)
              (i64.reinterpret_f64 (f64.sub (f64.div (f64.const 1) (local.get $z)) (f64.div (f64.const 1) (local.get $z))))))
            (br_if $more (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 100000))))
          (local.get $bits)))
      (core instance $i (instantiate $m))
      (func (export "nans") (param "zero" u32) (result u64) (canon lift (core func $i "nans"))))`);
    const nan = 0x7ff8000000000000n;
    let bits = 0n;
    const turn = () => BigInt.asUintN(64, (bits << 7n) | (bits >> 57n));
    for (let n = 0; n < 100_000; n++) {
      bits = turn() ^ nan;
      bits = turn() ^ nan;
      bits = BigInt.asUintN(64, bits + nan);
    }
    const ends = new Set<string>();
    for (const on of ["node", "deno"] as const) {
      const recorded = await recordRun(boxes[on], component, "nans", { zero: 0 }, {});
      expect(recorded.end.outcome).toEqual({ kind: "completed" });
      // What the processor gives for 0/0 has the other sign; what is recorded is the canonical NaN.
      expect(String(recorded.end.output)).toBe(String(bits));
      ends.add(JSON.stringify([recorded.end.output, recorded.end.fuelUsed]));
      const { sandbox } = on === "node" ? boxes.deno : boxes.node;
      const report = await replay(sandbox, recorded.tool, readJournal(recorded.text));
      expect([report.verdict, report.divergence]).toEqual(["identical", undefined]);
    }
    expect(ends.size).toBe(1);
  });

  it.each([
    ["overwritten", "text", "slug", { title: "open sesame", "max-length": null }, "completed"],
    ["overwritten, and then of no type", "hash", "sha256", { data: "aGVsbG8=" }, "revoked"],
    [
      "in an error",
      "text",
      "csv-to-json",
      { csv: '"', options: { delimiter: null, header: true } },
      "failed",
    ],
  ])("repeats a run whose output had a secret in it: %s", async (_where, tool, name, input, ends) => {
    const stars = (value: JsonValue): JsonValue => {
      if (typeof value === "string") return "*".repeat(value.length);
      if (typeof value !== "object" || value === null) return 0;
      return Object.fromEntries(
        Object.entries(value).map(([key, member]) => [key, key === "tag" ? member : stars(member)]),
      );
    };
    for (const withheld of [false, true]) {
      let returned: JsonValue = null;
      const host = createFakeRunHost({
        search(output) {
          returned = output;
          return { output: stars(output), withheld };
        },
      });
      const recorded = await recordRun(boxes.node, toolOf(tool), name, input, { host });
      expect(recorded.end.outcome.kind).toBe(withheld ? "revoked" : ends);
      expect(recorded.text).not.toContain(JSON.stringify(returned));
      const journal = readJournal(recorded.text);
      const report = await replay(boxes.deno.sandbox, recorded.tool, journal);
      expect([report.verdict, report.divergence]).toEqual(["identical", undefined]);
      expect(report.outputHash.seen).toBe(report.outputHash.expected);
      // Nobody is shown now what was overwritten then.
      if (report.outcome.seen.kind === "failed") expect(report.outcome.seen.error).toBeNull();
      // One that returned something else is still found out.
      const other = { ...journal, end: { ...journal.end, returnedHash: `sha256:${"0".repeat(64)}` } };
      expect((await replay(boxes.node.sandbox, recorded.tool, other)).divergence?.what).toBe("output");
    }
  });

  it("gives replies and timers in the order in which they came", async () => {
    const input = {
      urls: Array.from("abcdefg", (name) => `https://api.example/${name}`),
      pauses: [5, 15, 25],
    };
    const orders = new Set<string>();
    for (let n = 0; n < 4; n++) {
      const host = createFakeRunHost(slowService({ pieces: ["x"], longestMs: 40 }));
      const on = n % 2 === 0 ? boxes.node : boxes.deno;
      const recorded = await recordRun(on, toolOf("many"), "race", input, { host });
      expect(recorded.end.outcome).toEqual({ kind: "completed" });
      orders.add(JSON.stringify(recorded.end.output));
      const { sandbox } = n % 2 === 0 ? boxes.deno : boxes.node;
      const report = await replay(sandbox, recorded.tool, readJournal(recorded.text));
      expect(report.divergence).toBeUndefined();
      expect(report.verdict).toBe("identical");
    }
    // Without more than one order among them this would have shown nothing.
    expect(orders.size).toBeGreaterThan(1);
  });

  it("says of a run that was killed where it was cut, and no more", async () => {
    const host = createFakeRunHost(slowService(SERVICE));
    const recorded = await recordRun(boxes.node, toolOf("rogue"), "wait", {}, { host, timeToLiveMs: 2_000 });
    expect(recorded.end.outcome.kind).toBe("timed-out");
    const report = await replay(boxes.deno.sandbox, recorded.tool, readJournal(recorded.text));
    expect(report).toMatchObject({ verdict: "cut" });
    expect(report.cut).toContain("timed-out");
  });
});

/** What somebody could do to a journal, and what the replay must then say. */
const TAMPERED: readonly {
  readonly what: string;
  readonly change: (journal: Journal) => Journal;
  readonly found: string;
}[] = [
  {
    what: "another input",
    change: (journal) => ({
      ...journal,
      head: { ...journal.head, input: { place: { latitude: 1, longitude: 2 } } },
    }),
    found: "arguments",
  },
  {
    what: "another reply",
    change: (journal) =>
      changeCall(journal, 1, {
        reply: { kind: "ok", value: { end: false }, body: new TextEncoder().encode("{}") },
      }),
    found: "fuel",
  },
  {
    what: "replies in another order",
    change: (journal) => ({
      ...journal,
      calls: journal.calls.map((call) => ({
        ...call,
        trace: { ...call.trace, order: [...call.trace.order].reverse().map((id) => id + 1) },
      })),
    }),
    found: "inputs",
  },
  {
    what: "a call taken out",
    change: (journal) => ({ ...journal, calls: journal.calls.filter((_, index) => index !== 1) }),
    found: "inputs",
  },
  { what: "another fuel", change: (journal) => changeEnd(journal, { fuelUsed: 1 }), found: "fuel" },
  {
    what: "another output",
    change: (journal) => changeEnd(journal, { output: { ok: null } }),
    found: "output",
  },
  {
    what: "another outcome",
    change: (journal) => changeEnd(journal, { outcome: { kind: "trapped", reason: "trap" } }),
    found: "outcome",
  },
];

function changeCall(journal: Journal, at: number, change: Partial<Journal["calls"][number]>): Journal {
  return {
    ...journal,
    calls: journal.calls.map((call, index) => (index === at ? { ...call, ...change } : call)),
  };
}

function changeEnd(journal: Journal, change: Partial<Journal["end"]>): Journal {
  return { ...journal, end: { ...journal.end, ...change } };
}

describe("replay() of a journal that was changed", () => {
  let journal: Journal;
  let recorded: Awaited<ReturnType<typeof recordRun>>;
  beforeAll(async () => {
    const host = createFakeRunHost(slowService(SERVICE));
    recorded = await recordRun(boxes.node, toolOf("weather"), "forecast", PLACE, { host });
    journal = readJournal(recorded.text);
  });

  for (const { what, change, found } of TAMPERED) {
    it(`finds ${what}`, async () => {
      const report = await replay(boxes.deno.sandbox, recorded.tool, change(journal));
      expect(report).toMatchObject({ verdict: "diverged", divergence: { what: found } });
    });
  }

  it("finds another component", async () => {
    const other = await recordRun(boxes.node, toolOf("rogue"), "read-env", {});
    const mixed = { ...journal, head: { ...journal.head, input: {} } };
    const report = await replay(boxes.node.sandbox, other.tool, mixed);
    expect(report.verdict).toBe("diverged");
  });

  it("refuses a journal whose fuel was counted by another table", async () => {
    const head = { ...journal.head, costTable: "writ-costs/0" };
    await expect(replay(boxes.node.sandbox, recorded.tool, { ...journal, head })).rejects.toThrow(
      "counted by",
    );
  });

  it("refuses a journal of a run that never began", async () => {
    const { inputs: _, ...end } = journal.end;
    await expect(replay(boxes.node.sandbox, recorded.tool, { ...journal, end })).rejects.toThrow(RangeError);
  });
});
