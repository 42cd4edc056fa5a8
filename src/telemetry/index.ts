/**
 * The telemetry room: what is told of runs, as figures for operators. It is told of runs when they are over, never asks,
 * and never decides anything about one.
 */
export { createMetrics, type GaugeReading, type Metrics } from "./metrics.ts";
export { createMonitor, type Monitor, type MonitorParts } from "./monitor.ts";
export { createRecorder, type Recorder } from "./recorder.ts";
export { openTraces, type TraceOptions, type Traces } from "./traces.ts";
export { createWebhooks, type Webhook } from "./webhooks.ts";
