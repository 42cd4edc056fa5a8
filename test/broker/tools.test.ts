/** `tools/invoke` at the broker: what it refuses, what it hands on, whom it charges. */
import { describe, expect, it } from "vitest";
import { createBroker, type OpenRun, type ToolCall, type ToolCallEnd } from "../../src/broker/index.ts";
import type { JsonValue } from "../../src/core/policy/index.ts";
import type { HostReply, RunHost } from "../../src/ports/index.ts";
import { BUDGET, clock, fakeResolver } from "./support.ts";

const ANSWER: ToolCallEnd = {
  kind: "answered",
  run: "run_1",
  outcome: "completed",
  output: { ok: 1 },
  fuelUsed: 30,
};

function open(callTool: (call: ToolCall) => Promise<ToolCallEnd>, more: Partial<OpenRun> = {}) {
  const asked: ToolCall[] = [];
  const broker = createBroker({ clock, resolver: fakeResolver({}).resolver, profiles: new Map() });
  const host = broker.openRun({
    grants: [{ kind: "tools", tools: [{ tool: "hash", functions: ["hash/a", "hash/b"], calls: 3 }] }],
    budget: { ...BUDGET, fuel: 100, log_bytes: 10 },
    startedAtMs: Date.now(),
    callTool(call) {
      asked.push(call);
      return callTool(call);
    },
    ...more,
  });
  return { host, asked };
}

function invoke(host: RunHost, args: Record<string, JsonValue> = {}, fuelUsed = 0): Promise<HostReply> {
  const call = { tool: "hash", function: "hash/a", input: "{}", ...args };
  return host.call({ name: "tools/invoke", args: call, body: new Uint8Array(0), fuelUsed });
}

const refused = (tag: string) => ({ kind: "ok", value: { result: { err: { tag } }, fuel: 0 } });

describe("tools/invoke", () => {
  it.each([
    ["another tool", { tool: "weather" }],
    ["another function", { function: "hash/c" }],
    ["a bare function", { function: "a" }],
    ["a name with a way out", { tool: "hash/../weather" }],
    ["nothing", { tool: "", function: "" }],
  ])("denies %s, runs nothing and says so", async (_, args) => {
    const { host, asked } = open(async () => ANSWER);
    expect(await invoke(host, args)).toEqual(refused("not-granted"));
    expect(asked).toEqual([]);
    expect(host.events).toMatchObject([
      { import: "writ:host/tools#invoke", effect: "denied", clause: "tools" },
    ]);
    expect(host.denial?.import).toBe("writ:host/tools#invoke");
  });

  it("denies everything to a run without the grant", async () => {
    const { host } = open(async () => ANSWER, { grants: [] });
    expect(await invoke(host)).toEqual(refused("not-granted"));
  });

  it.each([["{"], [""], ["{'a':1}"], [`"${"x".repeat(1024 * 1024)}"`]])(
    "refuses an input that is no JSON text",
    async (input) => {
      const { host, asked } = open(async () => ANSWER);
      expect(await invoke(host, { input })).toEqual(refused("invalid-input"));
      expect(asked).toEqual([]);
    },
  );

  it("takes words that no executor of ours says for a broken one", async () => {
    const { host } = open(async () => ANSWER);
    expect(await invoke(host, { more: 1 })).toEqual({
      kind: "stop",
      outcome: { kind: "revoked", reason: "protocol" },
    });
  });

  it("hands on what is left, and charges the caller what the callee used", async () => {
    const { host, asked } = open(async () => ANSWER);
    expect(await invoke(host, {}, 25)).toEqual({
      kind: "ok",
      value: { result: { ok: { run: "run_1", output: '{"ok":1}' } }, fuel: 30 },
    });
    await invoke(host, { purpose: "support" }, 60);
    expect(asked.map(({ left, purpose }) => [left.fuel, purpose])).toEqual([
      [75, undefined],
      [10, "support"],
    ]);
    expect(host.events.map(({ result }) => result)).toEqual(["completed run_1", "completed run_1"]);
  });

  it("promises no fuel twice to calls under way at once, and has at most eight", async () => {
    const ends = Promise.withResolvers<ToolCallEnd>();
    const grants: OpenRun["grants"] = [
      { kind: "tools", tools: [{ tool: "hash", functions: ["hash/a"], calls: 20 }] },
    ];
    const { host, asked } = open(() => ends.promise, { grants });
    const first = invoke(host);
    expect(await invoke(host)).toEqual(refused("budget-spent"));
    ends.resolve({ ...ANSWER, fuelUsed: 0 });
    await first;
    expect(asked).toHaveLength(1);
    expect(await invoke(host)).toMatchObject({ value: { result: { ok: {} } } });
  });

  it("stops at the number of calls that the policy names", async () => {
    const { host, asked } = open(async () => ({ ...ANSWER, fuelUsed: 1 }));
    for (const name of ["hash/a", "hash/b", "hash/a"]) await invoke(host, { function: name });
    expect(await invoke(host)).toEqual(refused("budget-spent"));
    expect(asked).toHaveLength(3);
  });

  it("stops a run whose callee spent the last of its fuel", async () => {
    const { host } = open(async () => ({ ...ANSWER, fuelUsed: 1_000_000 }));
    expect(await invoke(host)).toEqual({ kind: "stop", outcome: { kind: "exhausted", budget: "fuel" } });
  });

  it.each<[ToolCallEnd, JsonValue, string]>([
    [{ kind: "refused", why: "denied", run: "run_2" }, { tag: "denied" }, "denied"],
    [{ kind: "refused", why: "calls-itself" }, { tag: "calls-itself" }, "failed"],
    [
      { kind: "ended", run: "run_2", outcome: "trapped", fuelUsed: 0 },
      { tag: "ended", val: { run: "run_2", outcome: "trapped", fallback: null } },
      "failed",
    ],
  ])("tells %j in the interface's words", async (end, err, effect) => {
    const { host } = open(async () => end);
    expect(await invoke(host)).toMatchObject({ kind: "ok", value: { result: { err } } });
    expect(host.events).toMatchObject([{ effect }]);
  });

  it("lets a callee spend no more than is left of its caller's budgets, and charges both", async () => {
    const callee: { host?: RunHost } = {};
    const { host } = open(async (call) => {
      callee.host = call.open({
        grants: [{ kind: "stdio" }],
        budget: { ...BUDGET, log_bytes: 1000 },
        startedAtMs: Date.now(),
      });
      const write = (text: string) =>
        callee.host?.call({
          name: "stdio/write",
          args: { stream: "stdout" },
          body: new TextEncoder().encode(text),
        });
      expect(await write("12345678")).toMatchObject({ kind: "ok" });
      expect(await write("12345678")).toEqual({
        kind: "stop",
        outcome: { kind: "exhausted", budget: "log_bytes" },
      });
      callee.host.close();
      return ANSWER;
    });
    await invoke(host);
    expect([callee.host?.usage.log_bytes, host.usage.log_bytes]).toEqual([10, 10]);
  });

  it("ends a callee with its caller", async () => {
    const callee = Promise.withResolvers<RunHost>();
    const { host } = open((call) => {
      callee.resolve(call.open({ grants: [], budget: BUDGET, startedAtMs: Date.now() }));
      return new Promise(() => {});
    });
    void invoke(host);
    const opened = await callee.promise;
    host.close();
    expect(await opened.call({ name: "log/write", args: {}, body: new Uint8Array(0) })).toEqual({
      kind: "stop",
      outcome: { kind: "revoked", reason: "caller-ended" },
    });
  });
});
