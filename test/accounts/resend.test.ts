/** Whether the host may make a run's request a second time: what the policy says, and no in every doubt. */
import { expect, it } from "vitest";
import { createAccounts, type RunIdentity } from "../../src/accounts/index.ts";
import { FREE } from "../../src/core/budget/index.ts";
import { type Policy, readPolicy } from "../../src/core/policy/index.ts";
import type { AccountStore, Store } from "../../src/ports/index.ts";

const identity: RunIdentity = {
  ...{ run: "run_1", tenant: "acme", tool: "hash", function: "f", operation: "read", input: 1 },
  ...{ purpose: "demo", startedAtMs: 0 },
};
const policyOf = (more: object): Policy =>
  readPolicy(
    JSON.stringify({
      ...{ tool_id: "hash", tenant_tier: ["free"], purpose: ["demo"], max_duration_ms: 1000 },
      functions: { f: { operation: "read" } },
      budget: {
        ...{ fuel: 1, memory_bytes: 65_536, egress_bytes: 0, requests: 0, output_bytes: 0, log_bytes: 0 },
      },
      ...more,
    }),
    "policy.json",
  ).policy;
const budgeted = policyOf({ retry_budget: { ratio: 0.1 } });

function accountsOver(takeRetry: AccountStore["takeRetry"]) {
  const store = { accounts: { takeRetry } } as unknown as Store; // nothing else of it is asked
  const vault = { seal: () => Promise.reject(new Error("no")), open: () => Promise.reject(new Error("no")) };
  const clock = { nowMs: () => 5000, monotonicMs: () => 0, after: () => () => undefined };
  return createAccounts({ store, vault, clock, prices: () => FREE });
}

it("mayResend() charges the run's own books, and goes by their answer", async () => {
  const asked: unknown[] = [];
  let kind: "ok" | "spent" = "ok";
  const accounts = accountsOver(async (...args) => {
    asked.push(args);
    return { kind };
  });
  expect(await accounts.mayResend(identity, budgeted)).toBe(true);
  kind = "spent";
  expect(await accounts.mayResend(identity, budgeted)).toBe(false);
  expect(asked).toEqual(
    Array(2).fill([
      { tenant: "acme", tool: "hash" },
      "read",
      { ratio: 0.1, min_per_second: 0, ttl_seconds: 10 },
      5000,
    ]),
  );
});

it.each([
  ["no budget is named", policyOf({}), identity, true],
  ["a write has no key", budgeted, { ...identity, operation: "write" as const }, false],
  ["the store can not be asked", budgeted, identity, false],
  ["a write has a key and the store can not be asked", budgeted, { ...identity, idempotencyKey: "k" }, false],
])("mayResend() where %s", async (_, policy, asked, allowed) => {
  const accounts = accountsOver(async () => {
    throw new Error("the database is away");
  });
  expect(await accounts.mayResend(asked, policy)).toBe(allowed);
});
