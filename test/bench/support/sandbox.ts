/** The sandbox by itself: real executor processes, a host that answers at once, no gateway around it. */
import { join } from "node:path";
import { runtime } from "#runtime";
import { checkInput } from "../../../src/core/component/index.ts";
import type { JsonValue } from "../../../src/core/policy/index.ts";
import type {
  ExecutorProcess,
  ExecutorRole,
  HostReply,
  RunHost,
  Sandbox,
  SandboxEnd,
} from "../../../src/ports/index.ts";
import { createSandbox } from "../../../src/sandbox/index.ts";
import type { SuiteContext } from "../suite.ts";
import { loadTools, pick } from "./tools.ts";

/** A function of a sample tool with an input that it takes. */
export type SampleCall = "hash" | "text" | "weather";

const CALLS: Readonly<Record<SampleCall, { readonly function: string; readonly input: JsonValue }>> = {
  hash: { function: "hash/fnv1a64", input: { data: "aGVsbG8=" } },
  text: { function: "text/slug", input: { title: "Hello World" } },
  weather: { function: "weather/forecast", input: { place: { latitude: 1, longitude: 2 } } },
};
const MEMORY_BYTES = 64 * 1024 * 1024;
const FORECAST = new TextEncoder().encode(
  '{"place":{"latitude":1,"longitude":2},"temperature_c":12.5,"summary":"rain"}',
);

/** A sandbox with one warm executor, and what starts fresh ones. */
export interface BenchSandbox {
  /** Fresh instance + call + result; throws unless the guest completed. */
  call(call: SampleCall): Promise<void>;
  /** Any function of any tool, whatever its end. */
  end(tool: string, name: string, input: JsonValue, timeToLiveMs: number): Promise<SandboxEnd>;
  /** @returns ms from the run command to its end in an executor that is ready and has loaded nothing */
  firstCall(call: SampleCall): Promise<number>;
  /** @returns ms from the spawn of an executor to its greeting, the probes of its cage included */
  startExecutor(): Promise<number>;
  /** Process ids of executors that are alive, oldest first. */
  readonly alive: ReadonlySet<number>;
  close(): Promise<void>;
}

/** Opens it, every sample tool prepared. */
export async function openBenchSandbox(context: SuiteContext): Promise<BenchSandbox> {
  const registry = await loadTools();
  const alive = new Set<number>();
  const open = () =>
    createSandbox({
      clock: runtime.clock,
      entropy: runtime.entropy,
      files: runtime.files,
      spawn: (role) => watch(role, alive),
      cacheFolder: join(context.folder, "cache"),
      executors: 1,
      queue: 10,
    });
  const sandbox = await open();
  for (const name of ["hash", "text", "weather", "rogue"]) {
    const tool = registry.find(name);
    if (tool !== undefined) await sandbox.prepare(tool.component, MEMORY_BYTES);
  }
  let runs = 0;
  const runIn = (where: Sandbox, tool: string, name: string, input: JsonValue, timeToLiveMs: number) => {
    const found = pick(registry, tool, name);
    // The sandbox is given checked input; a wrong one would end early and look fast.
    const [fault] = checkInput(found.callee.function, input);
    if (fault !== undefined) throw new TypeError(`Cannot call ${name}: ${fault.pointer} ${fault.detail}`);
    return where.run({
      run: `run_${runs++}`,
      tenant: "bench",
      component: found.tool.component,
      interface: found.callee.interface,
      function: found.callee.function,
      input,
      // So much that only time ends a guest that spins.
      fuel: 1e14,
      memoryBytes: MEMORY_BYTES,
      outputBytes: 256 * 1024,
      timeToLiveMs,
      info: { traceId: "0".repeat(32), tool, purpose: "benchmark" },
      host: createHost(),
    });
  };
  const callIn = async (where: Sandbox, call: SampleCall) => {
    const { function: name, input } = CALLS[call];
    const { outcome } = await runIn(where, call, name, input, 20_000);
    if (outcome.kind !== "completed") throw new Error(`${call} ended as ${JSON.stringify(outcome)}`);
  };
  return {
    call: (call) => callIn(sandbox, call),
    end: (tool, name, input, timeToLiveMs) => runIn(sandbox, tool, name, input, timeToLiveMs),
    async firstCall(call) {
      const fresh = await open();
      try {
        const at = performance.now();
        await callIn(fresh, call);
        return performance.now() - at;
      } finally {
        await fresh.close();
      }
    },
    async startExecutor() {
      const at = performance.now();
      const fresh = await open();
      const took = performance.now() - at;
      await fresh.close();
      return took;
    },
    alive,
    close: () => sandbox.close(),
  };
}

function watch(role: ExecutorRole, alive: Set<number>): ExecutorProcess {
  const process = runtime.spawnExecutor(role);
  if (role === "run") alive.add(process.pid);
  void process.exited.then(() => alive.delete(process.pid));
  return process;
}

/** Answers an HTTP request with one forecast, everything else with nothing. */
function createHost(): RunHost {
  let reads = 0;
  return {
    call({ name }): Promise<HostReply> {
      if (name === "http-client/send") {
        const headers = [["content-type", "application/json"]];
        return Promise.resolve({ kind: "ok", value: { status: 200, headers, body: 1 } });
      }
      if (name === "http-client/read") {
        const end = reads++ > 0;
        return Promise.resolve({ kind: "ok", value: { end }, ...(end ? {} : { body: FORECAST }) });
      }
      return Promise.resolve({ kind: "ok", value: null });
    },
    close: () => undefined,
    events: [],
    usage: { egress_bytes: 0, requests: 0, log_bytes: 0 },
    denial: undefined,
    diagnostics: [],
  };
}
