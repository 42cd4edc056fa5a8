/** Service levels: the arithmetic, the file, and what follows from counts. */
import { createHmac } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  boundOf,
  bucketOf,
  candidateOf,
  countWithin,
  DEFAULT_SLOS,
  EVIDENCE_FALLING,
  effectiveMs,
  evaluate,
  judgeCandidate,
  percentileOf,
  readSloFile,
  readWebhookSecret,
  type SloFile,
  type Sum,
  signWebhook,
} from "../../../src/core/slo/index.ts";

const ms = fc.double({ min: 0, max: 600_000, noNaN: true });

describe("a histogram", () => {
  it("puts each time into the first bucket that is not below it, and no bucket is wider than a tenth", () => {
    fc.assert(
      fc.property(ms, (time) => {
        const bucket = bucketOf(time);
        expect(boundOf(bucket) * 1.000_001).toBeGreaterThanOrEqual(time);
        if (bucket > 0) expect(boundOf(bucket - 1)).toBeLessThan(time);
      }),
    );
    for (let bucket = 0; bucket < 140; bucket++) expect(bucketOf(boundOf(bucket))).toBe(bucket);
    expect([bucketOf(0), bucketOf(-1), bucketOf(Number.NaN)]).toEqual([0, 0, 0]);
    expect(bucketOf(1e12)).toBe(bucketOf(600_000));
  });

  it("tells a percentile that is never too low and at most a tenth too high", () => {
    fc.assert(
      fc.property(fc.array(ms, { minLength: 1, maxLength: 200 }), fc.constantFrom(50, 95, 99), (times, p) => {
        const histogram = new Map<number, number>();
        for (const time of times) histogram.set(bucketOf(time), (histogram.get(bucketOf(time)) ?? 0) + 1);
        const exact = times.toSorted((a, b) => a - b)[Math.ceil((times.length * p) / 100) - 1] ?? 0;
        const told = percentileOf(histogram, p) ?? 0;
        expect(told * 1.000_001).toBeGreaterThanOrEqual(Math.min(exact, boundOf(bucketOf(1e9))));
        expect(told).toBeLessThanOrEqual(Math.max(0.5, exact * 1.1) * 1.000_001);
      }),
    );
    expect(percentileOf(new Map(), 95)).toBeNull();
  });

  it("counts as within a limit only what surely was", () => {
    const histogram = new Map([
      [bucketOf(100), 1],
      [bucketOf(109), 1],
      [bucketOf(500), 1],
    ]);
    expect(countWithin(histogram, 1_000)).toBe(3);
    expect(countWithin(histogram, boundOf(bucketOf(100)))).toBeGreaterThanOrEqual(1);
    expect(countWithin(histogram, 99)).toBe(0);
    expect(effectiveMs(1000)).toBeLessThanOrEqual(1000);
    expect(effectiveMs(1000)).toBeGreaterThan(900);
  });
});

describe("readSloFile()", () => {
  it("gives every default for an empty file, and reads every member", () => {
    expect(readSloFile("{}")).toEqual({ ok: true, file: DEFAULT_SLOS });
    const read = readSloFile(`
period: 7d
latency: [{ tool: weather, percentile: 99, within_ms: 800 }, { tool: "*", within_ms: 2000 }]
rejection_rate: { most: 0.1 }
evidence_completeness: { least: 0.999 }
rollback_activation_ms: { most: 500 }
alerts: [{ name: fast, long: 1h, short: 5m, burn: 10 }]
webhooks: [{ url: "https://hooks.example.com/writ", secret_file: hook.key }]
rollback: [{ tool: weather, trap_rate: 0.2, least_runs: 5, within: 30m }]
`);
    expect(read).toMatchObject({
      ok: true,
      file: {
        period: 7 * 86_400_000,
        latency: [{ percentile: 99 }, { percentile: 95 }],
        alerts: [{ long: 3_600_000, short: 300_000, least: 20 }],
        rollback: [{ within: 1_800_000 }],
      },
    });
  });

  it.each([
    ["latencies: []", /^1:\d+ .*[Uu]nrecognized/],
    ["period: 90m", /^1:9 \/period/],
    ["period: 100d", /\/period/],
    ["rejection_rate: { most: 1.5 }", /a share between 0 and 1/],
    ["alerts: [{ name: a, long: 5m, short: 1h, burn: 2 }]", /shorter/],
    ["webhooks: [{ url: 'https://u:p@h/', secret_file: k }]", /without credentials/],
    ["rollback: [{ tool: a }]", /trap_rate, burn, or both/],
    ["rollback: [{ tool: a, burn: 2, within: 2h }]", /at most 60m/],
    ["latency: [{ tool: A, within_ms: 1 }]", /a tool's name/],
    ["a: &x 1\nb: *x", /^1:/],
    ["period: 1d\nperiod: 2d", /^2:/],
  ])("refuses %s, with its place", (text, fault) => {
    const read = readSloFile(text);
    expect(read.ok).toBe(false);
    if (!read.ok) expect(read.faults[0]).toMatch(fault);
  });
});

function sums(runs: {
  readonly good?: number;
  readonly late?: number;
  readonly denied?: number;
  readonly owed?: number;
  readonly sealed?: number;
}): readonly Sum[] {
  const { good = 0, late = 0, denied = 0, owed = good + late, sealed = owed } = runs;
  const of = (measure: Sum["measure"], key: string, count: number): readonly Sum[] =>
    count === 0 ? [] : [{ tool: "weather", version: "v", measure, key, count }];
  return [
    ...of("latency", String(bucketOf(20)), good),
    ...of("latency", String(bucketOf(9_000)), late),
    ...of("decision", "allow", good + late),
    ...of("decision", "deny", denied),
    ...of("evidence", "owed", owed),
    ...of("evidence", "sealed", sealed),
  ];
}

function judge(
  window: readonly Sum[],
  changes: Partial<SloFile> = {},
  activationsMs: readonly number[] = [],
) {
  const file = { ...DEFAULT_SLOS, ...changes };
  const { objectives, alerts } = evaluate({ file, within: () => window, activationsMs });
  return {
    of: (name: string) => objectives.find((one) => one.name === name),
    firing: alerts.filter((alert) => alert.firing).map(({ name }) => name),
  };
}

describe("evaluate()", () => {
  it("says what is known, and null where nothing is", () => {
    const nothing = judge([]);
    expect(nothing.of("latency")).toBeUndefined();
    expect(nothing.of("evidence-completeness")).toMatchObject({ value: null, met: null, budgetLeft: null });
    expect(nothing.of("rollback-activation")).toMatchObject({ value: null, met: null });
    expect(nothing.firing).toEqual([]);

    const { of, firing } = judge(sums({ good: 98, late: 2, denied: 25 }), {}, [120, 300]);
    expect(of("latency")).toMatchObject({ tool: "weather", met: true, events: 100, target: 2000 });
    expect(of("latency")?.value).toBeGreaterThanOrEqual(20);
    expect(of("latency")?.value).toBeLessThan(22.1);
    expect(of("latency")?.budgetLeft).toBeCloseTo(0.6);
    expect(of("rejection-rate")).toMatchObject({ value: 0.2, met: true });
    expect(of("evidence-completeness")).toMatchObject({ value: 1, met: true, budgetLeft: 1 });
    expect(of("rollback-activation")).toMatchObject({ value: 300, met: true, events: 2 });
    expect(firing).toEqual([]);
  });

  it("alerts when both windows burn, and not for a handful of runs", () => {
    expect(judge(sums({ good: 20, late: 80 })).firing).toEqual([
      "latency:weather:fast",
      "latency:weather:slow",
      "latency:weather:creeping",
    ]);
    expect(judge(sums({ late: 19 })).firing).toEqual([]);
    const file = { ...DEFAULT_SLOS };
    const healed = evaluate({
      file,
      activationsMs: [],
      within: (span) => (span <= 300_000 ? sums({ good: 100 }) : sums({ good: 20, late: 80 })),
    });
    expect(healed.alerts.filter(({ firing }) => firing).map(({ name }) => name)).not.toContain(
      "latency:weather:fast",
    );
  });

  it("alerts by name when latency is as promised and evidence is not", () => {
    expect(judge(sums({ good: 100, owed: 100, sealed: 99 })).firing).toContain(EVIDENCE_FALLING);
    expect(judge(sums({ good: 100 })).firing).not.toContain(EVIDENCE_FALLING);
    // Slow and unproven is another alert's business.
    expect(judge(sums({ late: 100, owed: 100, sealed: 0 })).firing).not.toContain(EVIDENCE_FALLING);
    expect(judge(sums({ owed: 10, sealed: 0 })).firing).not.toContain(EVIDENCE_FALLING);
  });
});

describe("automatic rollback", () => {
  const state = { tool: "weather", active: 2, activatedAtMs: 1000, earlier: [1], floors: [] };
  const file = {
    ...DEFAULT_SLOS,
    rollback: [{ tool: "*" as const, trap_rate: 0.2, burn: 10, least_runs: 10, within: 60_000 }],
  };
  const runs = (trapped: number, completed: number): readonly Sum[] => [
    { tool: "weather", version: "v", measure: "outcome", key: "trapped", count: trapped },
    { tool: "weather", version: "v", measure: "outcome", key: "completed", count: completed },
    { tool: "weather", version: "old", measure: "outcome", key: "trapped", count: 1_000 },
  ];
  const ofV = ({ version }: { readonly version: string }) => version === "v";

  it("watches a canary, or what was activated a short while ago and has something before it", () => {
    expect(candidateOf(state, 60_000, 2000)).toEqual({ version: 2, sinceMs: 1000 });
    expect(candidateOf(state, 60_000, 61_001)).toBeUndefined();
    expect(candidateOf({ ...state, earlier: [] }, 60_000, 2000)).toBeUndefined();
    // Gone back to, by whomever; or with nothing before it that everyone's floor allows.
    expect(candidateOf({ ...state, wentBack: true }, 60_000, 2000)).toBeUndefined();
    const floors = [{ tenant: "*", version: 2 }];
    expect(candidateOf({ ...state, floors }, 60_000, 2000)).toBeUndefined();
    const canary = { version: 3, basisPoints: 1, tenants: [], sinceMs: 7 };
    expect(candidateOf({ ...state, canary }, 60_000, 1e9)).toEqual({ version: 3, sinceMs: 7 });
    const suspended = { reason: "x", sinceMs: 1 };
    expect(candidateOf({ ...state, canary, suspended }, 60_000, 2000)).toBeUndefined();
  });

  it("takes a version back for its own traps, once there are enough runs", () => {
    expect(judgeCandidate(file, "weather", runs(2, 8), ofV)).toMatchObject({ rule: "trap-rate" });
    expect(judgeCandidate(file, "weather", runs(1, 9), ofV)).toBeUndefined();
    expect(judgeCandidate(file, "weather", runs(9, 0), ofV)).toBeUndefined();
    expect(judgeCandidate(DEFAULT_SLOS, "weather", runs(9, 9), ofV)).toBeUndefined();
  });

  it("takes a version back for burning the latency budget", () => {
    const late = {
      tool: "weather",
      version: "v",
      measure: "latency",
      key: String(bucketOf(9000)),
      count: 10,
    } as const;
    expect(judgeCandidate(file, "weather", [...runs(0, 10), late], ofV)).toMatchObject({ rule: "burn-rate" });
  });
});

describe("webhooks", () => {
  it("are signed as Standard Webhooks has it", () => {
    const secret = readWebhookSecret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n");
    expect(secret).toBeDefined();
    const message = {
      id: "msg_p5jXN8AQM9LWM0D4loKWxJek",
      atMs: 1_614_265_330_123,
      body: '{"test": 2432232314}',
    };
    const headers = Object.fromEntries(signWebhook(secret ?? new Uint8Array(), message));
    // The vector of the specification's own libraries.
    expect(headers).toEqual({
      "webhook-id": message.id,
      "webhook-timestamp": "1614265330",
      "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    });
    const own = createHmac("sha256", secret ?? "")
      .update(`${message.id}.1614265330.${message.body}`)
      .digest("base64");
    expect(headers["webhook-signature"]).toBe(`v1,${own}`);
  });

  it("take no secret that is short, or none at all", () => {
    for (const text of ["", "whsec_", "c2hvcnQ=", "not base64!"])
      expect(readWebhookSecret(text)).toBeUndefined();
  });
});
