/** A run as telemetry is told of it. */
import type { RunSeen } from "../../src/ports/index.ts";

/** A run that took 30 ms, 10 of which it waited. */
export function runSeen(changes: Partial<RunSeen> = {}): RunSeen {
  return {
    run: "run_01J00000000000000000000000",
    tenant: "acme",
    tool: "weather",
    version: "222222222222-111111111111",
    function: "weather/forecast",
    purpose: "support-chat",
    traceId: "4bf92f3577b34da6a3ce929d0e0e4736",
    spanId: "00f067aa0ba902b7",
    parentSpanId: undefined,
    sampled: true,
    outcome: "completed",
    kind: "ran",
    startedAtMs: 1_770_000_000_000,
    fromMs: 1000,
    untilMs: 1030,
    steps: [
      { name: "observe", fromMs: 1000, untilMs: 1001, failed: false },
      { name: "intent", fromMs: 1001, untilMs: 1003, failed: false },
      { name: "run", fromMs: 1003, untilMs: 1028, failed: false },
      { name: "seal", fromMs: 1028, untilMs: 1030, failed: false },
    ],
    hostCalls: [
      {
        ...{ name: "http-client/send", spanId: "c".repeat(16), fromMs: 1010, untilMs: 1020 },
        ...{ failed: false, reply: "ok" },
      },
    ],
    queuedMs: 10,
    resends: { sent: 0, refused: 0 },
    fuelUsed: 500,
    egressBytes: 70,
    evidence: changes.run ?? "run_01J00000000000000000000000",
    children: [],
    ...changes,
  };
}
