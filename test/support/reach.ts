/**
 * A tool under a policy, with a real broker and a real executor and nothing else of the gateway: for tests of what a
 * clause of a policy lets a component reach.
 */
import { type BrokerOptions, createBroker } from "../../src/broker/index.ts";
import type { RunEvent } from "../../src/core/manifest/index.ts";
import { decide, type JsonValue, needsOf, readPolicy } from "../../src/core/policy/index.ts";
import { guestSettings } from "../../src/gateway/guest-settings.ts";
import type { RunHost, SandboxComponent, SandboxEnd } from "../../src/ports/index.ts";
import { exported } from "./components.ts";
import type { TestSandbox } from "./sandbox.ts";

/** What a policy says unless a test says otherwise. */
const POLICY = {
  tool_id: "reach",
  tenant_tier: ["free"],
  purpose: ["test"],
  max_duration_ms: 20_000,
  budget: {
    fuel: 2_000_000_000,
    memory_bytes: "64MiB",
    egress_bytes: "1MiB",
    requests: 100,
    output_bytes: "1MiB",
    log_bytes: "64KiB",
  },
};

/** How a run ended, and what the broker saw. */
export interface Reached extends SandboxEnd {
  readonly events: readonly RunEvent[];
  readonly host: RunHost;
}

/** What a test's broker is made of, apart from what no test here needs. */
export type ReachOptions = Partial<Omit<BrokerOptions, "clock">> & Pick<BrokerOptions, "clock">;

let runs = 0;

/**
 * Makes a way to call one component under policies of a test's choosing.
 *
 * @param box where it runs
 * @param options the broker's
 * @returns calls a function under a policy; rejects when the decision is deny
 */
export function reachFrom(box: TestSandbox, component: SandboxComponent, options: ReachOptions) {
  const broker = createBroker({
    resolver: { resolve: async () => ["127.0.0.1"] },
    profiles: new Map(),
    ...options,
  });
  return async (
    policy: object,
    name: string,
    input: JsonValue = {},
    { tenant = "acme" }: { readonly tenant?: string } = {},
  ): Promise<Reached> => {
    const found = exported(component, name);
    const key = "reach/any";
    const record = readPolicy(
      JSON.stringify({ ...POLICY, functions: { [key]: { operation: "write" } }, ...policy }),
      "policy.json",
    );
    const decision = decide(
      {
        principal: { id: "key:1", tenant, tier: "free", scopes: ["invoke"] },
        tool: "reach",
        function: key,
        purpose: "test",
        needs: needsOf(component.imports.map((it) => it.name)),
      },
      [record],
    );
    if (decision.kind === "deny") throw new TypeError(JSON.stringify(decision.reasons));
    const { budget, max_duration_ms: timeToLiveMs } = record.policy;
    const owner = { tenant, tool: "reach" };
    const onSecretEcho = record.policy.on_secret_echo ?? "redact";
    const host = broker.openRun({
      onSecretEcho,
      grants: decision.grants,
      owner,
      budget,
      startedAtMs: options.clock.nowMs(),
    });
    const end = await box.sandbox.run({
      run: `run_reach_${runs++}`,
      tenant,
      component,
      ...found,
      input,
      fuel: budget.fuel,
      memoryBytes: budget.memory_bytes,
      outputBytes: budget.output_bytes,
      timeToLiveMs,
      settings: guestSettings(decision.grants, "reach"),
      info: { traceId: "0".repeat(32), tool: "reach", purpose: "test" },
      host,
    });
    return { ...end, events: host.events, host };
  };
}
