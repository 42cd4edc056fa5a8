/**
 * An executor process that belongs to an attacker. Whatever it says, a run ends, soon, with an outcome that is ours;
 * nothing is thrown that nobody catches, and nothing it says of an output is believed without a check.
 */
import { afterEach, describe, expect, it } from "vitest";
import { runtime } from "#runtime";
import type { ExecutorRole } from "../../src/ports/index.ts";
import { encodeFrame } from "../../src/sandbox/pipe/frames.ts";
import { componentOf } from "../support/components.ts";
import { ECHO_GUEST } from "../support/guests.ts";
import { openSandbox, type TestSandbox } from "../support/sandbox.ts";
import { createScriptedExecutor, type Mouth, READY } from "../support/scripted-executor.ts";

const BROKEN = { kind: "revoked", reason: "executor-broke-protocol" };
const DIED = { kind: "trapped", reason: "executor-died" };

let box: TestSandbox | undefined;
afterEach(async () => {
  await box?.close();
  box = undefined;
});

interface RunHead {
  readonly type?: unknown;
  readonly run?: unknown;
  readonly key?: unknown;
}

/** Behaves until it is given a run, which it answers with the test's lie. */
async function open(onRun: (command: RunHead, mouth: Mouth) => void, onReply?: (mouth: Mouth) => void) {
  box = await openSandbox({
    spawn: (role) =>
      role === "prepare"
        ? runtime.spawnExecutor(role)
        : createScriptedExecutor((command, mouth) => {
            if (command["type"] === "start") mouth.say(READY);
            if (command["type"] === "load") mouth.say({ type: "loaded", key: command["key"] });
            if (command["type"] === "run") onRun(command, mouth);
            if (command["type"] === "reply") onReply?.(mouth);
          }),
  });
  return box;
}

const honestEnd = (command: RunHead, more: object = {}) => ({
  type: "end",
  run: command.run,
  end: { kind: "completed", output: 5 },
  fuelUsed: 10,
  memoryPeakBytes: 0,
  doubtful: false,
  ...more,
});
const callOf = (command: RunHead, call: number, name = "log/write") => ({
  type: "call",
  run: command.run,
  call,
  name,
  args: {},
  fuelUsed: 0,
});
const noise = (length: number) => Uint8Array.from({ length }, (_, index) => (index * 167 + 13) & 0xff);
const header = (total: number, head: number) => {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setUint32(0, total, true);
  new DataView(bytes.buffer).setUint32(4, head, true);
  return bytes;
};
const rawHead = (text: string) => {
  const bytes = new TextEncoder().encode(text);
  return new Uint8Array([...header(4 + bytes.length, bytes.length), ...bytes]);
};

const LIES: Readonly<Record<string, (command: RunHead, mouth: Mouth) => void>> = {
  "bytes that are no frame": (_command, mouth) => mouth.sayBytes(noise(10_000)),
  "a frame over the limit": (_command, mouth) => mouth.sayBytes(header(65 * 1024 * 1024, 10)),
  "a frame of the largest length": (_command, mouth) => mouth.sayBytes(header(0xffffffff, 10)),
  "a head longer than its frame": (_command, mouth) => mouth.sayBytes(header(100, 200)),
  "a frame without a head": (_command, mouth) => mouth.sayBytes(header(0, 0)),
  "a head that is no JSON": (_command, mouth) => mouth.sayBytes(rawHead("{")),
  "a head that is no object": (_command, mouth) => mouth.sayBytes(rawHead("[1]")),
  "a head that is null": (_command, mouth) => mouth.sayBytes(rawHead("null")),
  "a head with a prototype": (_command, mouth) => mouth.sayBytes(rawHead('{"__proto__":{"type":"ready"}}')),
  "a head of twenty thousand brackets": (_command, mouth) => mouth.sayBytes(rawHead("[".repeat(20_000))),
  "a report of an unknown type": (_command, mouth) => mouth.say({ type: "constructor" }),
  "a second greeting": (_command, mouth) => mouth.say(READY),
  "a component loaded that nobody sent": (_command, mouth) => mouth.say({ type: "loaded", key: "other" }),
  "a prepared component": (_command, mouth) =>
    mouth.say({ type: "prepared", planBytes: 0, modules: [], images: [], instantiationFuel: 0, stacks: 1 }),
  "the end of another run": (command, mouth) => mouth.say(honestEnd(command, { run: "run_other" })),
  "an end without a run": (command, mouth) => mouth.say(honestEnd(command, { run: null })),
  "negative fuel": (command, mouth) => mouth.say(honestEnd(command, { fuelUsed: -1 })),
  "fuel that is no number": (command, mouth) => mouth.say(honestEnd(command, { fuelUsed: "10" })),
  "fuel past every integer": (command, mouth) => mouth.say(honestEnd(command, { fuelUsed: 1e300 })),
  "negative memory": (command, mouth) => mouth.say(honestEnd(command, { memoryPeakBytes: -5 })),
  "an end of no kind": (command, mouth) => mouth.say(honestEnd(command, { end: { kind: "revoked" } })),
  "an end without output": (command, mouth) => mouth.say(honestEnd(command, { end: { kind: "completed" } })),
  "a budget of its own": (command, mouth) =>
    mouth.say(honestEnd(command, { end: { kind: "exhausted", budget: "requests" } })),
  "a reason longer than any of ours": (command, mouth) =>
    mouth.say(honestEnd(command, { end: { kind: "trapped", reason: "x".repeat(201) } })),
  "a call without a number": (command, mouth) =>
    mouth.say({ type: "call", run: command.run, name: "log/write", args: {}, fuelUsed: 0 }),
  "a call without arguments": (command, mouth) =>
    mouth.say({ type: "call", run: command.run, call: 0, name: "log/write", fuelUsed: 0 }),
};

describe("run() with an executor that lies", () => {
  it.each(Object.entries(LIES))("is revoked at %s, and the process killed", async (_name, lie) => {
    const { call, started } = await open(lie);
    const component = await componentOf(ECHO_GUEST);
    const end = await call(component, "run", { n: 5 });
    expect(end).toMatchObject({ outcome: BROKEN, fuelUsed: null, memoryPeakBytes: null });
    expect(end.output).toBeUndefined();
    expect(end.host.closed).toBeGreaterThan(0);
    expect(started.filter(({ role }) => role === "run").length).toBeGreaterThan(0);
  });

  it.each([
    ["a text for a number", "5"],
    ["a number out of its range", -1],
    ["a fraction", 1.5],
    ["null", null],
    ["an object", { ok: 5 }],
    ["a list of a hundred thousand", Array.from({ length: 100_000 }, () => 0)],
  ])("does not believe an output that is %s", async (_name, output) => {
    const { call } = await open((command, mouth) =>
      mouth.say(honestEnd(command, { end: { kind: "completed", output } })),
    );
    const end = await call(await componentOf(ECHO_GUEST), "run", { n: 5 });
    expect(end.outcome).toEqual({ kind: "revoked", reason: "output-not-of-its-type" });
    expect(end.output).toBeUndefined();
  });

  it("does not believe a failure of a function that has none", async () => {
    const { call } = await open((command, mouth) =>
      mouth.say(honestEnd(command, { end: { kind: "failed", output: 5 } })),
    );
    const end = await call(await componentOf(ECHO_GUEST), "run", { n: 5 });
    expect(end.outcome).toEqual({ kind: "revoked", reason: "output-not-of-its-type" });
  });

  it("is ended at once when the broker revokes the run, not asked to end", async () => {
    const { call } = await open((command, mouth) =>
      mouth.say({ type: "call", run: command.run, call: 0, name: "no/such-call", args: {}, fuelUsed: 0 }),
    );
    const outcome = { kind: "revoked", reason: "protocol" } as const;
    const reply = () => ({ kind: "stop", outcome }) as const;
    const end = await call(await componentOf(ECHO_GUEST), "run", { n: 5 }, { reply, timeToLiveMs: 60_000 });
    expect(end.outcome).toEqual(outcome);
  });

  it("is ended when it goes on calling after a stop", async () => {
    const { call } = await open((command, mouth) => {
      const say = (call: number) =>
        mouth.say({ type: "call", run: command.run, call, name: "log/write", args: {}, fuelUsed: 0 });
      let calls = 0;
      const timer = setInterval(() => {
        for (let burst = 0; burst < 100; burst++) say(calls++);
        if (calls > 5000) clearInterval(timer);
      }, 1);
    });
    const reply = () => ({ kind: "stop", outcome: { kind: "exhausted", budget: "log_bytes" } }) as const;
    const end = await call(await componentOf(ECHO_GUEST), "run", { n: 5 }, { reply, timeToLiveMs: 60_000 });
    expect(end.outcome).toEqual(BROKEN);
  });

  it("is ended for a head far larger than anything it could honestly say", async () => {
    const { call } = await open((command, mouth) =>
      mouth.say({ ...honestEnd(command), padding: "x".repeat(2 * 1024 * 1024) }),
    );
    const end = await call(await componentOf(ECHO_GUEST), "run", { n: 5 }, { outputBytes: 1000 });
    expect(end.outcome).toEqual(BROKEN);
  });

  it("measures the output itself", async () => {
    const { call } = await open((command, mouth) => mouth.say(honestEnd(command)));
    const end = await call(await componentOf(ECHO_GUEST), "run", { n: 5 }, { outputBytes: 0 });
    expect(end.outcome).toEqual({ kind: "exhausted", budget: "output_bytes" });
  });

  it("never reports more fuel than was granted", async () => {
    const { call } = await open((command, mouth) => mouth.say(honestEnd(command, { fuelUsed: 2 ** 50 })));
    const end = await call(await componentOf(ECHO_GUEST), "run", { n: 5 }, { fuel: 1000 });
    expect(end.fuelUsed).toBe(1000);
  });

  it("takes the broker's stop for the end, whatever the executor calls it", async () => {
    const lastRun = "run_stopped";
    const { call } = await open(
      (command, mouth) => mouth.say(callOf(command, 0)),
      (mouth) => mouth.say(honestEnd({ run: lastRun })),
    );
    const end = await call(
      await componentOf(ECHO_GUEST),
      "run",
      { n: 5 },
      {
        run: lastRun,
        reply: () => ({ kind: "stop", outcome: { kind: "exhausted", budget: "log_bytes" } }),
      },
    );
    expect(end.outcome).toEqual({ kind: "exhausted", budget: "log_bytes" });
    expect(end.output).toBeUndefined();
  });

  it("serves no call that follows the end in the same breath", async () => {
    const { call } = await open((command, mouth) => {
      const late = encodeFrame(callOf(command, 0, "http-client/send"));
      const end = encodeFrame(honestEnd(command));
      const both = new Uint8Array(end.length + late.length);
      both.set(end);
      both.set(late, end.length);
      mouth.sayBytes(both);
    });
    const end = await call(await componentOf(ECHO_GUEST), "run", { n: 5 });
    expect(end.outcome).toEqual({ kind: "completed" });
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(end.host.calls).toEqual([]);
  });

  it("is revoked at a million calls at once, of which the broker sees a thousand", async () => {
    const { call } = await open((command, mouth) => {
      const one = encodeFrame(callOf(command, 0));
      const many = new Uint8Array(one.length * 10_000);
      for (let index = 0; index < 10_000; index += 1) many.set(one, index * one.length);
      for (let index = 0; index < 100; index += 1) mouth.sayBytes(many);
    });
    const end = await call(
      await componentOf(ECHO_GUEST),
      "run",
      { n: 5 },
      {
        reply: () => new Promise(() => undefined),
      },
    );
    expect(end.outcome).toEqual(BROKEN);
    expect(end.host.calls.length).toBeLessThan(1200);
  });

  it("is revoked at bodies that would fill this process, each of them within the limit", async () => {
    const { call } = await open((command, mouth) => {
      for (let index = 0; index < 5; index += 1)
        mouth.say(callOf(command, index, "http-client/send"), new Uint8Array(30 << 20));
    });
    const end = await call(
      await componentOf(ECHO_GUEST),
      "run",
      { n: 5 },
      {
        reply: () => new Promise(() => undefined),
      },
    );
    expect(end.outcome).toEqual(BROKEN);
    expect(end.host.calls.length).toBeLessThan(4);
  });

  it("is revoked when it asks again and again and reads no answer", async () => {
    const spawn = (role: ExecutorRole) => {
      if (role === "prepare") return runtime.spawnExecutor(role);
      const executor = createScriptedExecutor((command, mouth) => {
        if (command["type"] === "start") mouth.say(READY);
        if (command["type"] === "load") mouth.say({ type: "loaded", key: String(command["key"]) });
        if (command["type"] !== "run") return;
        const run = String(command["run"]);
        for (let call = 0; call < 1000; call += 1)
          mouth.say({ type: "call", run, call, name: "http-client/read", args: {}, fuelUsed: 0 });
      });
      let begun = 0;
      return {
        ...executor,
        kill: () => executor.kill(),
        // What it was told to begin is read, and nothing after it.
        write: (...pieces: readonly Uint8Array[]) =>
          begun++ < 2 ? executor.write(...pieces) : new Promise<void>(() => undefined),
      };
    };
    box = await openSandbox({ spawn });
    const end = await box.call(
      await componentOf(ECHO_GUEST),
      "run",
      { n: 5 },
      { reply: () => Promise.resolve({ kind: "ok", value: null, body: new Uint8Array(256 << 10) }) },
    );
    expect(end.outcome).toEqual(BROKEN);
  });

  it("is timed out when the executor says nothing at all", async () => {
    const { call } = await open(() => undefined);
    const component = await componentOf(ECHO_GUEST);
    await box?.sandbox.prepare(component, 64 << 20);
    const end = await call(component, "run", { n: 5 }, { timeToLiveMs: 200 });
    expect(end.outcome).toMatchObject({ kind: "timed-out" });
    expect(end.wallMs).toBeLessThan(100_000);
  });

  it("is timed out when the executor never says that it loaded the component", async () => {
    box = await openSandbox({
      spawn: (role) =>
        role === "prepare"
          ? runtime.spawnExecutor(role)
          : createScriptedExecutor((command, mouth) => {
              if (command["type"] === "start") mouth.say(READY);
            }),
    });
    const component = await componentOf(ECHO_GUEST);
    await box.sandbox.prepare(component, 64 << 20);
    const end = await box.call(component, "run", { n: 5 }, { timeToLiveMs: 200 });
    expect(end.outcome).toMatchObject({ kind: "timed-out" });
  });

  it("ends when the executor dies, and when it dies of the component", async () => {
    const { call } = await open((_command, mouth) => mouth.die("killed"));
    expect((await call(await componentOf(ECHO_GUEST), "run", { n: 5 })).outcome).toEqual(DIED);
  });

  it("is revoked, and nothing else, when the broker itself throws", async () => {
    const { call } = await open((command, mouth) =>
      mouth.say({ type: "call", run: command.run, call: 0, name: "log/write", args: {}, fuelUsed: 0 }),
    );
    const end = await call(
      await componentOf(ECHO_GUEST),
      "run",
      { n: 5 },
      {
        reply: () => {
          throw new TypeError("a bug");
        },
      },
    );
    expect(end.outcome).toEqual({ kind: "revoked", reason: "broker-failed" });
  });
});

describe("runs that share an executor that lies", () => {
  /** Gives the lie both runs once both are there; the first of them has asked its broker for something by then. */
  async function openTwo(lie: (first: RunHead, second: RunHead, mouth: Mouth) => void) {
    const commands: RunHead[] = [];
    const opened = await open((command, mouth) => {
      commands.push(command);
      const [first, second] = commands;
      if (second === undefined) mouth.say(callOf(command, 0));
      else if (commands.length === 2 && first !== undefined) lie(first, second, mouth);
      // A run that begins again gets an honest answer.
      else mouth.say(honestEnd(command));
    });
    const component = await componentOf(ECHO_GUEST);
    const asked = Promise.withResolvers<void>();
    const touched = opened.call(
      component,
      "run",
      { n: 5 },
      {
        run: "run_first",
        reply: () => {
          asked.resolve();
          return new Promise(() => undefined);
        },
      },
    );
    await asked.promise;
    const untouched = opened.call(component, "run", { n: 5 }, { run: "run_second" });
    return { touched, untouched };
  }

  const FORGERIES: Readonly<Record<string, (first: RunHead, second: RunHead, mouth: Mouth) => void>> = {
    "a call of a run that was never given": (_first, _second, mouth) =>
      mouth.say(callOf({ run: "run_of_another_tenant" }, 1)),
    "the end of a run that was never given": (first, _second, mouth) =>
      mouth.say(honestEnd(first, { run: "run_of_another_tenant" })),
    "the same end twice": (_first, second, mouth) => {
      mouth.say({ ...honestEnd(second), run: "run_second" });
      mouth.say({ ...honestEnd(second), run: "run_second" });
    },
    "a call after its end": (_first, second, mouth) => {
      mouth.say(honestEnd(second));
      mouth.say(callOf(second, 7, "http-client/send"));
    },
    "a pause of nobody": (_first, _second, mouth) =>
      mouth.say({ type: "pause", run: "nobody", waiting: true }),
    "a run that is a prototype": (_first, _second, mouth) => mouth.say(callOf({ run: "__proto__" }, 1)),
    "bytes that are no frame": (_first, _second, mouth) => mouth.sayBytes(noise(1000)),
  };

  it.each(Object.entries(FORGERIES))(
    "end as revoked where one asked for anything at %s, and begin again where not",
    async (_name, lie) => {
      const { touched, untouched } = await openTwo(lie);
      expect((await untouched).outcome).toEqual({ kind: "completed" });
      const end = await touched;
      expect(end.outcome).toEqual(BROKEN);
      expect(end.host.calls).toHaveLength(1);
      expect((await untouched).host.calls).toEqual([]);
    },
  );

  it("end as exhausted where one computes, and as lost where it waits, when it dies for want of memory", async () => {
    const { touched, untouched } = await openTwo((_first, _second, mouth) =>
      mouth.die("FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory"),
    );
    expect((await untouched).outcome).toEqual({ kind: "exhausted", budget: "resident_bytes" });
    expect((await touched).outcome).toEqual({ kind: "revoked", reason: "executor-lost" });
  });

  it("charge a call to the run that it names, whoever of the same tenant made it", async () => {
    const { touched, untouched } = await openTwo((first, second, mouth) => {
      mouth.say(callOf(second, 1, "log/write"));
      mouth.say(honestEnd(second));
      mouth.say(honestEnd(first));
    });
    expect((await untouched).host.calls.map(({ name }) => name)).toEqual(["log/write"]);
    expect((await touched).host.calls).toHaveLength(1);
  });

  it("are not both taken for the culprit when one goes on calling after its stop", async () => {
    const stop = { kind: "stop", outcome: { kind: "revoked", reason: "protocol" } } as const;
    const commands: RunHead[] = [];
    const opened = await open((command, mouth) => {
      commands.push(command);
      if (commands.length === 1) mouth.say({ type: "pause", run: command.run, waiting: true });
      if (commands.length === 2) mouth.say(callOf(command, 0));
      if (commands.length > 2) mouth.say(honestEnd(command));
    });
    const component = await componentOf(ECHO_GUEST);
    const innocent = opened.call(component, "run", { n: 5 }, { run: "run_innocent" });
    await new Promise((resolve) => setTimeout(resolve, 50));
    const guilty = opened.call(component, "run", { n: 5 }, { run: "run_guilty", reply: () => stop });
    expect((await guilty).outcome).toEqual(stop.outcome);
    expect((await innocent).outcome).toEqual({ kind: "completed" });
  });
});

describe("createSandbox() with an executor that does not greet", () => {
  it("rejects when it dies first", async () => {
    await expect(
      openSandbox({ spawn: () => createScriptedExecutor((_command, mouth) => mouth.die("no such file")) }),
    ).rejects.toThrow("no such file");
  });

  it("rejects when it says something else first", async () => {
    await expect(
      openSandbox({ spawn: () => createScriptedExecutor((_command, mouth) => mouth.sayBytes(noise(100))) }),
    ).rejects.toThrow("protocol");
  });
});
