/**
 * Counters and histograms of this process, as OpenMetrics text. Histograms, not averages; the buckets of a run's time
 * carry the trace of one run that fell into them. Labels are bounded: what guests and callers can name freely (tenants,
 * tools that are not there) is counted together once there are many of it.
 */
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { RefusalSeen, RunSeen, TelemetrySink } from "../ports/index.ts";
import { LabelCap } from "./label-cap.ts";

/** From a quarter of a millisecond to five minutes. */
const SECONDS = [
  0.000_25, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300,
];
/** Tenants, and tools, that have a label of their own. */
const MOST_TENANTS = 100;
const MOST_TOOLS = 200;

/** A figure that is read when somebody asks for the metrics. */
export interface GaugeReading {
  /** Without the prefix. */
  readonly name: string;
  readonly help: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** Absent figures are left out: what nobody knows is not 0. */
  readonly value: number | null;
}

/** The metrics of a gateway. */
export interface Metrics extends TelemetrySink {
  /** An executor process was started. */
  executorStarted(role: "run" | "prepare" | "probe"): void;
  /** @param readings figures of this moment */
  render(readings: readonly GaugeReading[]): Promise<{ readonly contentType: string; readonly text: string }>;
}

/** Creates metrics that all stand at nothing. */
export function createMetrics(): Metrics {
  const registry = new Registry<typeof Registry.OPENMETRICS_CONTENT_TYPE>();
  registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE);
  const registers = [registry];
  const tenants = new LabelCap(MOST_TENANTS);
  const tools = new LabelCap(MOST_TOOLS);
  // An exemplar's labels are no labels of the histogram, but its type knows one list of both.
  const runs = new Histogram<"tool" | "outcome" | "trace_id">({
    name: "writ_run_seconds",
    help: "Time from a run's admission to its sealed end, by tool and outcome",
    labelNames: ["tool", "outcome"],
    buckets: SECONDS,
    enableExemplars: true,
    registers,
  });
  const byTenant = new Counter({
    name: "writ_tenant_runs",
    help: "Runs that are over, by tenant and tool",
    labelNames: ["tenant", "tool"],
    registers,
  });
  const steps = new Histogram({
    name: "writ_step_seconds",
    help: "Time of each step of a run: observe, intent, run, seal, refuse",
    labelNames: ["step"],
    buckets: SECONDS,
    registers,
  });
  const queue = new Histogram({
    name: "writ_queue_seconds",
    help: "Time that a run waited for an executor",
    buckets: SECONDS,
    registers,
  });
  const calls = new Histogram({
    name: "writ_host_call_seconds",
    help: "Time of a guest's call to its host, by call and kind of reply",
    labelNames: ["call", "reply"],
    buckets: SECONDS,
    registers,
  });
  const rejections = new Counter({
    name: "writ_rejections",
    help: "Requests that were turned away, by problem code and tool",
    labelNames: ["code", "tool"],
    registers,
  });
  const fuel = new Counter({
    name: "writ_fuel",
    help: "Fuel that runs spent, by tool",
    labelNames: ["tool"],
    registers,
  });
  const egress = new Counter({
    name: "writ_egress_bytes",
    help: "Bytes that runs sent and received, by tool",
    labelNames: ["tool"],
    registers,
  });
  const resends = new Counter({
    name: "writ_resends",
    help: "Guests' requests that met a dead connection, by tool: sent again, or refused for want of retry budget",
    labelNames: ["tool", "result"],
    registers,
  });
  const executors = new Counter({
    name: "writ_executor_starts",
    help: "Executor processes that were started, by role",
    labelNames: ["role"],
    registers,
  });
  const gauges = new Map<string, Gauge>();

  function run(seen: RunSeen): void {
    const tool = tools.of(seen.tool);
    runs.observe({
      labels: { tool, outcome: seen.outcome },
      value: (seen.untilMs - seen.fromMs) / 1000,
      exemplarLabels: { trace_id: seen.traceId },
    });
    byTenant.inc({ tenant: tenants.of(seen.tenant), tool });
    for (const { name, fromMs, untilMs } of seen.steps)
      steps.observe({ step: name }, (untilMs - fromMs) / 1000);
    if (seen.kind === "ran") queue.observe(seen.queuedMs / 1000);
    for (const { name, fromMs, untilMs, reply } of seen.hostCalls)
      calls.observe({ call: name, reply }, (untilMs - fromMs) / 1000);
    if (seen.fuelUsed > 0) fuel.inc({ tool }, seen.fuelUsed);
    for (const result of ["sent", "refused"] as const)
      if (seen.resends[result] > 0) resends.inc({ tool, result }, seen.resends[result]);
    if (seen.egressBytes > 0) egress.inc({ tool }, seen.egressBytes);
    for (const child of seen.children) run(child);
  }

  return {
    run,
    refusal: ({ code, tool }: RefusalSeen) =>
      rejections.inc({ code, tool: tool === undefined ? "none" : tools.of(tool) }),
    executorStarted: (role) => executors.inc({ role }),
    async render(readings) {
      for (const gauge of gauges.values()) gauge.reset();
      for (const { name, help, labels = {}, value } of readings) {
        if (value === null || !Number.isFinite(value)) continue;
        let gauge = gauges.get(name);
        if (gauge === undefined) {
          const labelNames = Object.keys(labels);
          gauge = new Gauge({ name: `writ_${name}`, help, labelNames, registers });
          gauges.set(name, gauge);
          gauge.reset();
        }
        gauge.set(labels, value);
      }
      return { contentType: registry.contentType, text: await registry.metrics() };
    },
  };
}
