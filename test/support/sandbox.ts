/** Opens a sandbox for a test: real processes, or an executor in this very process where speed matters more. */
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runtime } from "#runtime";
import type { JsonValue } from "../../src/core/policy/types.ts";
import type {
  ExecutorProcess,
  ExecutorRole,
  Sandbox,
  SandboxComponent,
  SandboxEnd,
  SandboxRun,
} from "../../src/ports/index.ts";
import { createSandbox, type SandboxPowers } from "../../src/sandbox/index.ts";
import { exported } from "./components.ts";
import { createFakeRunHost, type FakeRunHost, type FakeRunHostFaults } from "./fake-run-host.ts";
import { removeFolder } from "./folder.ts";
import { createInProcessExecutor } from "./in-process-executor.ts";
import { sharedCache } from "./shared-cache.ts";

const MIB = 1024 * 1024;
let runs = 0;

/** How a test's sandbox differs from the usual. */
export interface OpenOptions extends Partial<SandboxPowers> {
  /** Runs guests in this process. What a guest can do to its own executor, it then does to the test. */
  readonly inProcess?: boolean;
  /** Prepares everything anew, into an empty cache; default false: what other files prepared is found. */
  readonly freshCache?: boolean;
  /** Whether {@link TestSandbox.started} is kept; default true. What is kept of thousands looks like a leak. */
  readonly keepStarted?: boolean;
}

/** One call, apart from the defaults. */
export interface CallOptions extends FakeRunHostFaults, Partial<Omit<SandboxRun, "function" | "host">> {}

/** A sandbox for tests. */
export interface TestSandbox {
  readonly sandbox: Sandbox;
  /** Every process that was started, in order. */
  readonly started: readonly { readonly role: ExecutorRole; readonly process: ExecutorProcess }[];
  readonly cacheFolder: string;
  /** Runs an exported function, found by its bare name. */
  call(
    component: SandboxComponent,
    name: string,
    input: JsonValue,
    options?: CallOptions,
  ): Promise<SandboxEnd & { readonly host: FakeRunHost }>;
  close(): Promise<void>;
}

/** Opens a sandbox with one executor. */
export async function openSandbox(options: OpenOptions = {}): Promise<TestSandbox> {
  const { inProcess = false, freshCache = false, keepStarted = true, ...powers } = options;
  const given = powers.cacheFolder ?? (freshCache ? undefined : sharedCache());
  const cacheFolder = given ?? (await mkdtemp(join(tmpdir(), "writ-sandbox-")));
  const started: { role: ExecutorRole; process: ExecutorProcess }[] = [];
  const start = powers.spawn ?? runtime.spawnExecutor;
  const sandbox = await createSandbox({
    clock: runtime.clock,
    entropy: runtime.entropy,
    files: runtime.files,
    executors: 1,
    queue: 100,
    ...powers,
    cacheFolder,
    spawn(role, cage) {
      const process = inProcess && role === "run" ? createInProcessExecutor() : start(role, cage);
      if (keepStarted) started.push({ role, process });
      return process;
    },
  });
  return {
    sandbox,
    started,
    cacheFolder,
    async call(component, name, input, over = {}) {
      const { reply, denial, ...rest } = over;
      const host = createFakeRunHost({
        ...(reply === undefined ? {} : { reply }),
        ...(denial === undefined ? {} : { denial }),
      });
      const end = await sandbox.run({
        run: `run_${runs++}`,
        tenant: "acme",
        component,
        ...exported(component, name),
        input,
        fuel: 50_000_000,
        memoryBytes: 64 * MIB,
        outputBytes: 256 * 1024,
        timeToLiveMs: 20_000,
        info: { traceId: "0".repeat(32), tool: "hostile", purpose: "test" },
        ...rest,
        host,
      });
      return { ...end, host };
    },
    async close() {
      await sandbox.close();
      if (given === undefined) await removeFolder(cacheFolder);
    },
  };
}
