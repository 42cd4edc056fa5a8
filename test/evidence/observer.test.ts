/** The observer's files under failure, and the audit's comparison of requests that left with events. */
import { appendFile, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { runtime } from "#runtime";
import { readObservations } from "../../src/core/manifest/index.ts";
import { Audit, type KnownOfRun, openObserver } from "../../src/evidence/index.ts";
import type { AppendFile } from "../../src/ports/index.ts";
import { predicateOf } from "../core/manifest/fixtures.ts";
import { temporaryFolder } from "../support/sqlite.ts";
import { testClock } from "./support.ts";

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
/** How the next appends end: part of the bytes written, then an error. */
let failures: ("nothing" | "half" | "all")[];
let synced: number;

beforeEach(async () => {
  folder = await temporaryFolder();
  failures = [];
  synced = 0;
});
afterEach(() => folder.remove());

const clock = testClock();
const path = (name: string) => join(folder.path, "observer", name);

async function openFaulty(name: string): Promise<AppendFile> {
  const file = await runtime.openAppend(path(name));
  return {
    ...file,
    tail: file.tail,
    async append(bytes) {
      const failure = failures.shift();
      if (failure === "half") await file.append(bytes.subarray(0, bytes.length >> 1));
      if (failure === "all" || failure === undefined) await file.append(bytes);
      if (failure !== undefined)
        throw Object.assign(new Error("no space left on device"), { code: "ENOSPC" });
    },
    async sync() {
      synced++;
      await file.sync();
    },
  };
}

const open = () => openObserver({ clock, open: openFaulty, onError: () => undefined });
const admitted = (run: string) => ({ run, tenant: "acme", effect: "allow" }) as const;
const read = async (name = "admissions.log") => readObservations(await readFile(path(name), "utf8"));

describe("the observer", () => {
  it("has ended when it says so: what it syncs is waited for, and nothing is taken any more", async () => {
    const held = Promise.withResolvers<void>();
    const events: string[] = [];
    let tick = (): void => undefined;
    const { observer, close } = await openObserver({
      clock: {
        ...clock,
        after(_ms, action) {
          tick = action;
          return () => undefined;
        },
      },
      async open(name) {
        const file = await runtime.openAppend(path(name));
        let isFirst = name === "admissions.log";
        return {
          ...file,
          async sync() {
            if (isFirst) {
              isFirst = false;
              await held.promise;
              events.push("synced");
            }
            await file.sync();
          },
          async close() {
            events.push(`closed ${name}`);
            await file.close();
          },
        };
      },
      onError: (error) => expect.fail(String(error)),
    });
    await observer.admitted(admitted("run_1"));
    tick();
    const closed = close();
    await new Promise<void>((resolve) => setImmediate(resolve));
    held.resolve();
    await closed;
    expect(events).toEqual(["synced", "closed admissions.log", "closed egress.log"]);
    await expect(observer.admitted(admitted("run_2"))).rejects.toMatchObject({
      code: "evidence-unavailable",
    });
    expect((await read()).lines.length).toBe(1);
  });

  it("chains its lines over restarts, however many are added at once", async () => {
    for (let start = 0; start < 3; start++) {
      const { observer, close } = await open();
      await Promise.all(
        Array.from({ length: 50 }, (_, n) => observer.admitted(admitted(`run_${start}_${n}`))),
      );
      await observer.excluded(`run_${start}_0`, "invalid-request");
      await close();
    }
    const { lines, faults } = await read();
    expect([lines.length, faults]).toEqual([153, []]);
    expect(lines.map(({ n }) => n)).toEqual(lines.map((_, n) => n));
  });

  it("answers an addition that is made in the very turn in which another was answered", async () => {
    const { observer, close } = await open();
    for (let n = 0; n < 20; n++) {
      await observer.admitted(admitted(`run_${n}`));
      await observer.excluded(`run_${n}`, "internal");
    }
    await close();
    expect((await read()).lines).toHaveLength(40);
  });

  for (const failure of ["nothing", "half", "all"] as const) {
    it(`a write that failed with ${failure} of it written: refused, and the chain goes on by itself`, async () => {
      const { observer, close } = await open();
      await observer.admitted(admitted("run_1"));
      failures = [failure];
      const refused = expect.objectContaining({ code: "evidence-unavailable" });
      await expect(observer.admitted(admitted("run_2"))).rejects.toEqual(refused);
      await observer.admitted(admitted("run_3"));
      await close();
      const { lines, faults } = await read();
      expect(faults).toEqual([]);
      const count = (run: string, kind: string) =>
        lines.filter((line) => line.run === run && line.kind === kind).length;
      expect([count("run_1", "admitted"), count("run_3", "admitted")]).toEqual([1, 1]);
      // Whoever was told "no" is not counted, or is taken out of the count again.
      expect(count("run_2", "admitted")).toBe(count("run_2", "excluded"));
    });
  }

  it("goes on after a torn last line, as a loss of power leaves one", async () => {
    const first = await open();
    await first.observer.admitted(admitted("run_1"));
    await first.close();
    await appendFile(path("admissions.log"), '{"n":1,"at":"2026-02-0');
    const second = await open();
    await second.observer.admitted(admitted("run_2"));
    await second.close();
    const { lines, faults } = await read();
    expect([lines.map(({ run }) => run), faults]).toEqual([["run_1", "run_2"], []]);
  });

  it("syncs once for what came within a second", async () => {
    const { observer, close } = await open();
    clock.waiting.splice(0);
    for (let n = 0; n < 10; n++) await observer.admitted(admitted(`run_${n}`));
    expect(clock.waiting.map(({ ms }) => ms)).toEqual([1000]);
    clock.waiting.splice(0).forEach(({ action }) => void action());
    await expect.poll(() => synced).toBe(1);
    await close();
  });
});

describe("Audit", () => {
  const predicate = predicateOf();
  const { run } = predicate;
  const at = "2026-02-01T00:00:00.000Z";
  const target = "GET https://api.example.com:443/v1/forecast";
  const whole = { ...predicate, budget: { ...budgetOf(30), log_bytes: { granted: 1, used: 0 } } };

  function budgetOf(moved: number) {
    const { budget } = predicate;
    if (budget === null) throw new TypeError("the fixture has a budget");
    return { ...budget, egress_bytes: { granted: 1000, used: moved } };
  }

  function auditOf(
    left: readonly string[],
    predicates: readonly (typeof predicate)[] = [whole],
    known: KnownOfRun = { lacks: [] },
  ) {
    const audit = new Audit();
    audit.observe({ kind: "admitted", run, tenant: "acme", effect: "allow", n: 0, at, prev: "" });
    for (const one of left) audit.observe({ kind: "leaving", run, target: one, n: 0, at, prev: "" });
    for (const one of predicates) audit.receive(one, known);
    return audit.finish(undefined);
  }

  it("matches a run whose request was seen to leave", () => {
    expect(auditOf([target])).toMatchObject({ counts: { matched: 1, ratio: 1 }, gaps: [] });
  });

  const GAPS: readonly (readonly [
    name: string,
    left: readonly string[],
    predicates: (typeof predicate)[],
    gap: RegExp,
  ])[] = [
    [
      "a request that no event speaks of",
      [target, "POST https://evil.example:443/"],
      [whole],
      /evil.*no event says so/,
    ],
    ["an answer to a request that nobody saw leave", [], [whole], /nobody saw it leave/],
    ["the same request twice, and one event", [target, target], [whole], /left, and no event/],
    [
      "bytes that no event speaks of",
      [target],
      [{ ...whole, budget: budgetOf(31) }],
      /31 used, the events say 30/,
    ],
    [
      "a gap in the events",
      [target],
      [{ ...whole, events: whole.events.map((e) => ({ ...e, seq: 1 })) }],
      /numbered 1/,
    ],
    [
      "an event without end",
      [target],
      [{ ...whole, events: whole.events.map((e) => ({ ...e, result: "unfinished" })) }],
      /no end/,
    ],
    ["two manifests of one run", [target], [whole, whole], /2 manifests/],
    [
      "a decision without reasons",
      [target],
      [{ ...whole, decision: { effect: "allow", reasons: [] } }],
      /no reasons/,
    ],
    [
      "an end that nobody saw",
      [target],
      [{ ...whole, outcome: { kind: "indeterminate", reason: "gateway-ended" } }],
      /nobody saw its end/,
    ],
  ];
  for (const [name, left, predicates, gap] of GAPS) {
    it(`names ${name}`, () => {
      const { gaps, counts } = auditOf(left, predicates);
      expect(gaps.map(({ detail }) => detail).join("\n")).toMatch(gap);
      expect(counts.admitted).toBe(1);
    });
  }

  it("names a field that the run's policy requires and its manifest lacks", () => {
    const { task: _, ...without } = whole;
    const required = ["trace_id", "task"] as const;
    expect(auditOf([target], [whole], { lacks: [], required }).gaps).toEqual([]);
    const { gaps, counts } = auditOf([target], [without], { lacks: [], required });
    expect(gaps).toEqual([{ class: "incomplete", run, detail: "required field task is missing" }]);
    expect(counts).toMatchObject({ matched: 0, incomplete: 1, ratio: 0 });
  });

  it("names what a manifest names by digest and is not kept", () => {
    const { gaps } = auditOf([target], [whole], { lacks: ["its component is not kept"] });
    expect(gaps).toEqual([{ class: "incomplete", run, detail: "its component is not kept" }]);
  });

  it("has no ratio when nothing was observed, whatever there is of manifests", () => {
    const audit = new Audit();
    audit.receive(whole, { lacks: [] });
    expect(audit.finish(undefined).counts).toMatchObject({ ratio: null, withoutObservation: 1 });
  });

  it("does not miss what may still be under way, and misses it later", () => {
    const audit = new Audit();
    audit.observe({ kind: "admitted", run, tenant: "acme", effect: "allow", n: 0, at, prev: "" });
    const takenAtMs = Date.parse(at);
    expect(audit.finish(takenAtMs + 1000).counts).toMatchObject({ indeterminate: 1, withoutReceipt: 0 });
    expect(audit.finish(takenAtMs + 3_600_000).counts).toMatchObject({ withoutReceipt: 1, ratio: 0 });
    expect(audit.finish(takenAtMs - 1000).counts).toMatchObject({ withoutReceipt: 1 });
  });
});
