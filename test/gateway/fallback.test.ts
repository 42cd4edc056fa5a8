/** Fallbacks are deterministic: whatever a run ended of, the same input gets the same bytes, or none. */
import fc from "fast-check";
import { afterAll, beforeAll, expect, it } from "vitest";
import { runtime } from "#runtime";
import { type Accounts, createAccounts, type RunIdentity } from "../../src/accounts/index.ts";
import { FREE } from "../../src/core/budget/index.ts";
import { canonicalJson, sha256Hex } from "../../src/core/digest.ts";
import { GatewayError } from "../../src/core/errors.ts";
import { type Fallback, type JsonValue, type PolicyRecord, readPolicy } from "../../src/core/policy/index.ts";
import { type Fallen, fallBack } from "../../src/gateway/fallback.ts";
import type { AnswerVault, Store } from "../../src/ports/index.ts";
import { openStore } from "../../src/stores/index.ts";
import { intentOf, sealOf } from "../contract/store/intents.ts";

const json = fc
  .jsonValue({ maxDepth: 3 })
  .map((value) => JSON.stringify(value))
  // Policies do not read that key.
  .filter((text) => !text.includes("__proto__"))
  .map((text) => JSON.parse(text) as JsonValue);
let store: Store;
let accounts: Accounts;
let nowMs = 1_000_000;

beforeAll(async () => {
  store = await openStore(runtime.openSqlite(":memory:"));
  const clock = { ...runtime.clock, nowMs: () => nowMs };
  accounts = createAccounts({ store, clock, vault: plainVault(), prices: () => FREE });
});
afterAll(() => store.close());

/** Keeps texts as they are, bound to their place: what encrypts is the journals' own. */
function plainVault(): AnswerVault {
  return {
    seal: async (tenant, place, text) => ({
      keyId: "k",
      content: new TextEncoder().encode(JSON.stringify([tenant, place, text])),
    }),
    async open(tenant, place, { content }) {
      const [of, at, text] = JSON.parse(new TextDecoder().decode(content));
      if (of !== tenant || at !== place) throw new Error("of another place");
      return text;
    },
  };
}

function recordOf(fallback: Fallback): PolicyRecord {
  return readPolicy(
    JSON.stringify({
      ...{ tool_id: "hash", tenant_tier: ["free"], purpose: ["demo"], max_duration_ms: 1000, fallback },
      functions: { "hash/digest": { operation: "read" } },
      budget: {
        ...{ fuel: 100, memory_bytes: 65536, egress_bytes: 0, requests: 0, output_bytes: 1, log_bytes: 0 },
      },
    }),
    "p",
  );
}

const identityOf = (input: JsonValue, more: Partial<RunIdentity> = {}): RunIdentity => ({
  ...{ run: "run_now", tenant: "acme", tool: "hash", function: "hash/digest", operation: "read" },
  ...{ input, purpose: "demo", startedAtMs: nowMs },
  ...more,
});

/** Asks for the fallback of a run that ended badly. @param answer what the other tool does with an input */
async function ask(
  fallback: Fallback,
  input: JsonValue,
  answer: (input: JsonValue) => JsonValue = () => expect.fail("no tool is asked"),
  more: Partial<RunIdentity> = {},
): Promise<Fallen | undefined> {
  const request = { tool: "hash", function: "hash/digest", input, purpose: "demo" };
  // Of an admission it reads these alone.
  const admission = { run: "run_now", tool: { name: "hash" }, request } as unknown as Parameters<
    typeof fallBack
  >[1];
  const broker = { openRun: () => expect.fail("nothing runs here") };
  const record = recordOf(fallback);
  return await fallBack(
    { accounts, broker },
    admission,
    record,
    identityOf(input, more),
    "00-",
    async (asks, by) => {
      expect(by.policy.tools).toEqual([{ tool: asks.tool, functions: [asks.function], calls: 1 }]);
      return {
        ...{ run: "run_other", outcome: { kind: "completed" }, output: answer(asks.input), manifest: {} },
        ...{ receipt: { sequence: 0, digest: "d", keyId: "k", proof: "" }, traceparent: "" },
      };
    },
  );
}

function expectSame(first: Fallen | undefined, second: Fallen | undefined, value: JsonValue): void {
  expect(JSON.stringify(first)).toBe(JSON.stringify(second));
  expect(JSON.stringify(first?.value)).toBe(JSON.stringify(value));
  expect(first?.evidence.value_hash).toBe(`sha256:${sha256Hex(canonicalJson(value))}`);
}

it("static: the policy's value, for every input", async () => {
  await fc.assert(
    fc.asyncProperty(json, json, json, async (value, one, other) => {
      const fallback = { kind: "static", value } as const;
      expectSame(await ask(fallback, one), await ask(fallback, other), value);
    }),
    { numRuns: 200 },
  );
});

it("last-good: what the same input got, for as long as it is good, and nobody else's", async () => {
  const fallback = { kind: "last-good", max_age_seconds: 60 } as const;
  let n = 0;
  await fc.assert(
    fc.asyncProperty(json, json, json, async (input, output, other) => {
      const before = intentOf(++n);
      const identity = identityOf(input, { run: before.run });
      const lastGood = await accounts.answers.keepLastGood(identity, output);
      await store.recordIntent(before);
      await store.seal(sealOf(before), {
        ...{ used: null, good: true, lastGood },
        cost: {
          ...({ tenant: "acme", tool: "hash", purpose: "demo", class: "exploratory", fuel: 0 } as const),
          ...{ egressBytes: 0, wallMs: 0, amount: 0, atMs: nowMs },
        },
      });
      expectSame(await ask(fallback, input), await ask(fallback, input), output);
      for (const stranger of [{ tenant: "other" }, { tool: "other" }, { function: "hash/other" }])
        expect(await ask(fallback, input, undefined, stranger)).toBeUndefined();
      nowMs += 60_001;
      expect(await ask(fallback, input)).toBeUndefined();
      if (canonicalJson(other).length !== canonicalJson(input).length)
        expect(await ask(fallback, other)).toBeUndefined();
    }),
    { numRuns: 100 },
  );
});

it("tool: what the other tool makes of the same input", async () => {
  const fallback = { kind: "tool", tool: "spare", function: "spare/digest" } as const;
  await fc.assert(
    fc.asyncProperty(json, async (input) => {
      const answer = (asked: JsonValue) => ({ of: asked });
      expectSame(await ask(fallback, input, answer), await ask(fallback, input, answer), { of: input });
    }),
    { numRuns: 200 },
  );
  const refused = await ask(fallback, 1, () => {
    throw new GatewayError("Cannot run it", { code: "unknown-tool" });
  });
  expect(refused).toBeUndefined();
  await expect(
    ask(fallback, 1, () => {
      throw new TypeError("a bug");
    }),
  ).rejects.toThrow("a bug");
});

it("error: nothing", async () => {
  expect(await ask({ kind: "error" }, { a: 1 })).toBeUndefined();
});
