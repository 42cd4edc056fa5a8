/** A predicate as a run of the hash tool leaves it; each with a run id of its own. */
import type { RunPredicate } from "../../../src/core/manifest/index.ts";

/** @param index becomes the run's id; ids are in the order of the indices */
export function predicateOf(index: number): RunPredicate {
  const hash = (digit: string) => `sha256:${digit.repeat(64)}`;
  const use = (granted: number, used: number) => ({ granted, used });
  const policyId = hash("1");
  const reason = (clause: string, detail: string) => ({ clause, policyId, effect: "allow", detail }) as const;
  return {
    run: `run_${index.toString().padStart(26, "0")}`,
    tenant: "bench",
    principal: "key:7f3a91c2",
    tool: "hash",
    function: "hash/fnv1a64",
    purpose: "benchmark",
    trace_id: "4bf92f3577b34da6a3ce929d0e0e4736",
    policy_id: policyId,
    artifact_hash: hash("2"),
    input_hash: hash("3"),
    output_hash: hash("4"),
    decision: {
      effect: "allow",
      reasons: [
        reason("tool_id", 'tool "hash" has a policy'),
        reason("tenant_tier", 'tier "free" is in tenant_tier'),
        reason("functions", 'function "hash/fnv1a64" is in functions, operation read'),
        reason("purpose", 'purpose "benchmark" is in purpose'),
      ],
    },
    grants: [],
    budget: {
      fuel: use(1e8, 242),
      memory_bytes: use(2 ** 24, 65536),
      egress_bytes: use(0, 0),
      requests: use(0, 0),
      output_bytes: use(4096, 18),
      log_bytes: use(0, 0),
      wall_ms: use(1000, 1),
    },
    memory_peak_bytes: 65536,
    cost_table: "writ-1",
    events: [],
    outcome: { kind: "completed" },
    isolation: {
      level: "process+permissions",
      verified: ["no-environment", "no-network", "no-processes", "no-read", "no-write"],
    },
    runtime: { host: "node 26.10.0", executor: "node 26.10.0", writ: "0.1.0" },
    started_at: "2026-01-31T23:59:59.999Z",
    finished_at: "2026-02-01T00:00:00.123Z",
  };
}
