/** What policies grant beside the network, as a component of another vendor's engine sees it. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runtime } from "#runtime";
import { admit } from "../support/components.ts";
import { reachFrom } from "../support/reach.ts";
import { openSandbox, type TestSandbox } from "../support/sandbox.ts";
import { npmGuest } from "./npm-guests.ts";

let box: TestSandbox;
let call: ReturnType<typeof reachFrom>;
beforeAll(async () => {
  const component = await admit(await npmGuest("reach"));
  box = await openSandbox({ inProcess: true });
  call = reachFrom(box, component, { clock: runtime.clock });
}, 120_000);
afterAll(() => box?.close());

describe("environment and arguments", () => {
  it("are empty where the policy names none, whatever this process has", async () => {
    expect(await call({ config: {} }, "started-with")).toMatchObject({
      outcome: { kind: "completed" },
      output: [[], [], null],
    });
  });

  it("are what the policy names, with the tool's name as the program's", async () => {
    const policy = { config: {}, environment: { LANG: "C.UTF-8", EMPTY: "" }, arguments: ["--fast", "ö"] };
    const { output } = await call(policy, "started-with");
    expect(output).toEqual([
      [
        ["LANG", "C.UTF-8"],
        ["EMPTY", ""],
      ],
      ["reach", "--fast", "ö"],
      null,
    ]);
  });
});

describe("wasi:config/store", () => {
  it("answers the policy's keys and none else, names of JavaScript's own included", async () => {
    const policy = { config: { region: "eu-1", constructor: "a text" } };
    const all = [
      ["region", "eu-1"],
      ["constructor", "a text"],
    ];
    expect((await call(policy, "configured", { key: "region" })).output).toEqual(["eu-1", all]);
    expect((await call(policy, "configured", { key: "constructor" })).output).toEqual(["a text", all]);
    for (const key of ["toString", "Region", ""]) {
      expect((await call(policy, "configured", { key })).output).toEqual([null, all]);
    }
  });

  it("is denied before anything runs where the policy has no config", async () => {
    await expect(call({}, "configured", { key: "region" })).rejects.toThrow(/no config/);
  });
});

describe("wasi:logging/logging", () => {
  it("writes to the run's log, with its context as a field", async () => {
    const { outcome, events, host } = await call({ config: {} }, "note", {
      level: "critical",
      context: "db",
      message: "gone",
    });
    expect(outcome).toEqual({ kind: "completed" });
    expect(host.diagnostics).toEqual([{ stream: "log", text: "error gone context=db" }]);
    expect(events).toMatchObject([{ import: "writ:host/log#write", effect: "allowed", bytes_out: 13 }]);
  });

  it("spends the log budget, and ends the run with it", async () => {
    const budget = {
      fuel: 2e9,
      memory_bytes: "64MiB",
      egress_bytes: 0,
      requests: 0,
      output_bytes: 1000,
      log_bytes: 10,
    };
    const { outcome } = await call({ config: {}, budget }, "note", {
      level: "info",
      context: "",
      message: "longer than ten",
    });
    expect(outcome).toEqual({ kind: "exhausted", budget: "log_bytes" });
  });
});
