/** Records a run in a test's sandbox, as the gateway would. */
import type { JournalHead } from "../../src/core/journal/index.ts";
import { COST_TABLE_VERSION } from "../../src/core/metering/index.ts";
import type { JsonValue } from "../../src/core/policy/index.ts";
import type { ReplayedTool } from "../../src/gateway/replay.ts";
import { createRecorder, type JournalBounds } from "../../src/journal/index.ts";
import type { RunHost, SandboxComponent, SandboxEnd } from "../../src/ports/index.ts";
import { exported } from "./components.ts";
import { createFakeRunHost } from "./fake-run-host.ts";
import type { TestSandbox } from "./sandbox.ts";

const MIB = 1024 * 1024;

/** A run and its journal. */
export interface Recorded {
  readonly text: string;
  readonly end: SandboxEnd;
  readonly tool: ReplayedTool;
}

/** How a recording differs from the usual. */
export interface RecordOptions {
  readonly host?: RunHost;
  readonly fuel?: number;
  readonly timeToLiveMs?: number;
  readonly bounds?: Partial<JournalBounds>;
}

/** What is known before a test's run. */
export function journalHead(changes: Partial<JournalHead> = {}): JournalHead {
  return {
    kind: "full",
    run: "run_01",
    tenant: "acme",
    tool: "hostile",
    function: "f",
    purpose: "test",
    traceId: "0".repeat(32),
    artifactHash: `sha256:${"0".repeat(64)}`,
    policyId: `sha256:${"1".repeat(64)}`,
    costTable: COST_TABLE_VERSION,
    limits: { fuel: 200_000_000, memoryBytes: 64 * MIB, outputBytes: 256 * 1024 },
    salt: "00",
    ...changes,
  };
}

/** Runs an exported function, found by its bare name, and keeps its journal. */
export async function recordRun(
  box: TestSandbox,
  component: SandboxComponent,
  name: string,
  input: JsonValue,
  options: RecordOptions = {},
): Promise<Recorded> {
  const head = journalHead({ input });
  const { fuel = head.limits.fuel, timeToLiveMs = 60_000, host = createFakeRunHost() } = options;
  const limits = { ...head.limits, fuel };
  const bounds = { bytes: 4 * MIB, over: "stop", output: true, ...options.bounds } as const;
  const recorder = createRecorder({ ...head, limits }, bounds, host);
  const { memoryBytes, outputBytes } = limits;
  const callee = exported(component, name);
  const ended = await box.sandbox.run({
    run: head.run,
    tenant: head.tenant,
    component,
    ...callee,
    input,
    fuel,
    memoryBytes,
    outputBytes,
    timeToLiveMs,
    info: { traceId: head.traceId, tool: head.tool, purpose: head.purpose },
    host: recorder.host,
    inputs: { kind: "note" },
  });
  const { text = "", end } = recorder.finish(ended);
  return { text, end, tool: { component, callee } };
}
