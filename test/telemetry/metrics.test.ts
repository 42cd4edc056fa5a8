/** Metrics: what a scrape reads, held against what the OpenMetrics format demands of its text. */
import { describe, expect, it } from "vitest";
import { createMetrics } from "../../src/telemetry/index.ts";
import { runSeen } from "./support.ts";

async function lines(metrics: ReturnType<typeof createMetrics>): Promise<readonly string[]> {
  const { text, contentType } = await metrics.render([]);
  expect(contentType).toContain("application/openmetrics-text; version=1.0.0");
  expect(text.endsWith("# EOF\n")).toBe(true);
  return text.trimEnd().split("\n");
}

describe("createMetrics()", () => {
  it("counts a run into histograms, with a trace to follow", async () => {
    const metrics = createMetrics();
    const hash = runSeen({ tool: "hash", outcome: "trapped", resends: { sent: 2, refused: 1 } });
    metrics.run(runSeen({ children: [hash] }));
    const text = await lines(metrics);
    const has = (line: string | RegExp) =>
      expect(text.filter((one) => (typeof line === "string" ? one === line : line.test(one)))).toHaveLength(
        1,
      );
    has('writ_run_seconds_count{tool="weather",outcome="completed"} 1');
    has('writ_run_seconds_count{tool="hash",outcome="trapped"} 1');
    has('writ_run_seconds_bucket{le="0.025",tool="weather",outcome="completed"} 0');
    has(
      /^writ_run_seconds_bucket\{le="0\.05",tool="weather",outcome="completed"\} 1 # \{trace_id="4bf92f3577b34da6a3ce929d0e0e4736"\} 0\.03 [0-9.]+$/,
    );
    has('writ_step_seconds_count{step="seal"} 2');
    has("writ_queue_seconds_count 2");
    has('writ_host_call_seconds_count{call="http-client/send",reply="ok"} 2');
    has('writ_fuel_total{tool="weather"} 500');
    has('writ_egress_bytes_total{tool="weather"} 70');
    has('writ_tenant_runs_total{tenant="acme",tool="weather"} 1');
    has('writ_resends_total{tool="hash",result="sent"} 2');
    has('writ_resends_total{tool="hash",result="refused"} 1');
  });

  it("counts what was turned away by its code", async () => {
    const metrics = createMetrics();
    metrics.refusal({ code: "unknown-tool" });
    metrics.refusal({ code: "tool-suspended", tool: "weather" });
    metrics.executorStarted("run");
    const text = await lines(metrics);
    expect(text).toContain('writ_rejections_total{code="unknown-tool",tool="none"} 1');
    expect(text).toContain('writ_rejections_total{code="tool-suspended",tool="weather"} 1');
    expect(text).toContain('writ_executor_starts_total{role="run"} 1');
  });

  it("keeps its size whoever comes", async () => {
    const metrics = createMetrics();
    for (let n = 0; n < 2_000; n++) metrics.run(runSeen({ tenant: `t${n}`, tool: `tool-${n % 1000}` }));
    const text = await lines(metrics);
    expect(text.filter((line) => line.startsWith("writ_run_seconds_count"))).toHaveLength(201);
    expect(text.filter((line) => line.startsWith("writ_tenant_runs_total")).length).toBeLessThan(400);
    expect(text).toContain('writ_run_seconds_count{tool="_other",outcome="completed"} 1600');
  });

  it("shows figures of the moment, and none that nobody knows", async () => {
    const metrics = createMetrics();
    const reading = (value: number | null) => ({ name: "slo", help: "h", labels: { objective: "a" }, value });
    expect((await metrics.render([reading(0.5)])).text).toContain('writ_slo{objective="a"} 0.5');
    expect((await metrics.render([reading(null)])).text).not.toContain("writ_slo{");
  });
});
