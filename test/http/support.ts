/** A gateway that is all surface: it answers what it is told, and keeps what it was asked. */
import { GatewayError, type Refusal } from "../../src/core/errors.ts";
import type { RunExplanation } from "../../src/core/manifest/index.ts";
import { type Principal, SCOPE_NAMES, type Scope } from "../../src/core/policy/index.ts";
import type {
  Gateway,
  InvocationAnswer,
  InvocationRequest,
  RunPageRequest,
  RunSummary,
} from "../../src/gateway/index.ts";
import type { AppOptions } from "../../src/http/context.ts";
import { createApp } from "../../src/http/index.ts";
import type { Clock, Entropy } from "../../src/ports/index.ts";

export const BASE = "http://localhost";
export const RUN = "run_01JCA2N3VQ8T5W6X7Y8Z9ABCDE";
export const ACTION = "act_01JCA2N3VQ8T5W6X7Y8Z9ABCDE";
export const KEY = "Bearer good";
export const TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
export const BUNDLE = {
  mediaType: "application/vnd.dev.sigstore.bundle.v0.3+json",
  verificationMaterial: { publicKey: { hint: "k" } },
  dsseEnvelope: {
    payload: "e30=",
    payloadType: "application/vnd.in-toto+json",
    signatures: [{ sig: "AA==" }],
  },
};
const DIGEST = "a".repeat(64);

const ANSWER: InvocationAnswer = {
  run: RUN,
  outcome: { kind: "completed" },
  output: { forecast: "rain" },
  manifest: BUNDLE,
  receipt: { sequence: 7, digest: DIGEST, keyId: "k", proof: "c2sp.org/tlog-proof@v1\nindex 7\n\n" },
  traceparent: "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01",
};

const SUMMARY: RunSummary = {
  run: RUN,
  tool: "weather",
  function: "weather/forecast",
  outcome: "completed",
  admittedAt: "2026-11-20T09:30:00.000Z",
  sealedAt: "2026-11-20T09:30:00.120Z",
  receipt: { sequence: 7, digest: DIGEST, keyId: "k" },
};

const KEY_SUMMARY = {
  ...{ id: "key_7f3a91c2", tenant: "acme", tier: "free", scopes: ["invoke"], label: "ci" },
  ...{ createdAt: "2026-11-20T09:30:00.000Z", expiresAt: null, revokedAt: null },
};

const STATE = {
  tool: "weather",
  active: 2,
  activatedAtMs: 1_770_000_000_000,
  earlier: [1],
  canary: { version: 3, basisPoints: 100, tenants: ["acme"], sinceMs: 1_770_000_000_000 },
  floors: [{ tenant: "*", version: 1 }],
};

/** A fake gateway with fault hooks. */
export interface FakeGateway extends Gateway {
  readonly invocations: InvocationRequest[];
  readonly pages: RunPageRequest[];
  readonly commands: object[];
  /** Thrown by every method that takes a principal, when set. */
  fault: unknown;
  /** What `invoke` answers. */
  answer: InvocationAnswer;
  isReady: boolean;
  /** What the good key may do. */
  scopes: readonly Scope[];
}

/** A run whose guest asked for a host that nobody named. */
export const EXPLANATION: RunExplanation = {
  run: RUN,
  tool: "weather",
  function: "weather/forecast",
  tenant: "acme",
  purpose: "support-chat",
  policy_id: `sha256:${DIGEST}`,
  outcome: {
    kind: "denied-import",
    import: "wasi:http/outgoing-handler#handle",
    target: "GET https://x.test:443/",
  },
  decision: { effect: "allow", reasons: [{ clause: "purpose", effect: "allow", detail: "is listed" }] },
  denials: [
    {
      import: "wasi:http/outgoing-handler#handle",
      target: "GET https://x.test:443/\u001b[31m",
      missing: "network_allowlist",
      times: 2,
      change: 'add to network_allowlist: { host: "x.test" }',
    },
  ],
};

export function createFakeGateway(): FakeGateway {
  const principal: Principal = { id: "key:1", tenant: "acme", tier: "free", scopes: [] };
  const fake: FakeGateway = {
    invocations: [],
    pages: [],
    commands: [],
    fault: undefined,
    answer: ANSWER,
    isReady: true,
    scopes: SCOPE_NAMES,
    authenticate: async (authorization) => {
      if (authorization !== KEY)
        throw new GatewayError("Cannot authenticate: no such key", { code: "unauthenticated" });
      return { ...principal, scopes: fake.scopes };
    },
    operator: {
      listTools: async () => serve([STATE]),
      describeTool: async () =>
        serve({
          state: STATE,
          versions: [
            {
              version: 2,
              digest: `sha256:${DIGEST}`,
              component: `sha256:${DIGEST}`,
              policies: [`sha256:${DIGEST}`],
              firstSeen: "2026-11-20T09:30:00.000Z",
            },
          ],
          next: 2,
        }),
      commandTool: async (_principal, tool, asked, note) => {
        fake.commands.push({ tool, asked, note });
        return serve({ changed: true, state: STATE, action: ACTION });
      },
      listActions: async () =>
        serve({
          actions: [
            {
              action: ACTION,
              tool: "weather",
              kind: "rollback",
              by: "cli",
              at: "2026-11-20T09:30:00.000Z",
              changes: ["weather: version 1 is active, was 2"],
              settledMs: 120,
            },
          ],
          next: ACTION,
        }),
      slo: async () =>
        serve({
          objectives: [
            {
              name: "latency",
              tool: "weather",
              value: 12.5,
              target: 2000,
              unit: "ms" as const,
              met: true,
              budgetLeft: 0.75,
              events: 40,
            },
          ],
          alerts: [
            { name: "latency:weather:fast", firing: false, burn: { long: 0.5, short: null }, detail: "d" },
          ],
        }),
      metrics: async () => serve({ contentType: "application/openmetrics-text", text: "# EOF\n" }),
    },
    invoke: async (_principal, request) => {
      fake.invocations.push(request);
      return serve(fake.answer);
    },
    reportOutcome: async (_principal, task, outcome) =>
      serve({
        ...{ task, outcome, reportedAt: "2026-11-20T09:30:00.000Z", runs: 1, currency: "EUR" },
        ...{ cost: "0.000000001", billed: "0.100000000" },
        lines: [{ tool: "weather", purpose: "p", class: "exploratory", billed: "0.100000000" }],
      }),
    chargeback: async (_principal, { by, from = "2026-11-01", until = "2026-12-01" }) =>
      serve({
        ...{ currency: "EUR", by, from, until },
        lines: [
          {
            keys: { tool: "weather", task: "=1+1" },
            ...{ runs: 1, bills: 0, fuel: 2, egressBytes: 3, wallMs: 4 },
            ...{ cost: "0.000000001", billed: "0.000000000" },
          },
        ],
        next: "WyJ3ZWF0aGVyIl0",
      }),
    listTools: async () =>
      serve([{ name: "weather", description: "", digest: `sha256:${DIGEST}`, functions: [] }]),
    describeTool: async (_principal, tool) =>
      serve({
        name: tool,
        description: "Forecasts",
        digest: `sha256:${DIGEST}`,
        functions: [
          {
            name: "weather/forecast",
            description: "",
            operation: "read" as const,
            inputSchema: { type: "object" },
            outputSchema: {},
          },
        ],
        imports: [{ name: "wasi:http/types@0.2.12", capability: "http-client" as const, served: true }],
        policyId: `sha256:${DIGEST}`,
        purposes: ["support-chat"],
      }),
    listRuns: async (_principal, page) => {
      fake.pages.push(page);
      return serve({ runs: [SUMMARY], next: RUN });
    },
    findRun: async () => serve(SUMMARY),
    // The odd spacing is on purpose: the text must leave as it is.
    findManifest: async () => serve(`${JSON.stringify(BUNDLE, null, 3)} `),
    explainRun: async (principalOfRun) => serve({ ...EXPLANATION, tenant: principalOfRun.tenant }),
    reload: async () => serve({ action: ACTION, changes: ["tool hash: added"] }),
    listRecords: async () =>
      serve({
        records: [
          {
            action: ACTION,
            kind: "reload",
            actor: "key:1",
            at: "2026-11-20T09:30:00.000Z",
            changes: ["a is 1"],
          },
        ],
        next: ACTION,
      }),
    findRecord: async () => serve(JSON.stringify(BUNDLE)),
    issueKey: async (_principal, { scopes, label }) =>
      serve({ ...KEY_SUMMARY, scopes, label, key: "writ_7f3a91c2_secret_000000" }),
    listKeys: async () => serve({ keys: [KEY_SUMMARY], next: KEY_SUMMARY.id }),
    revokeKey: async (_principal, id) => serve({ id, revoked: true as const }),
    jwks: async () => ({ keys: [] }),
    trustedRoot: async () => "{}",
    checkpoint: async () => serve("log.example\n1\n"),
    logTile: async ({ width }) => serve(width === 256 ? new Uint8Array(8192) : undefined),
    settled: async () => undefined,
    ready: async () => ({ ready: fake.isReady, checks: [{ name: "store", ok: fake.isReady }] }),
  };
  function serve<T>(value: T): T {
    if (fake.fault !== undefined) throw fake.fault;
    return value;
  }
  return fake;
}

/** Real time: bodies that stall need timers that fire. */
const clock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after: (ms, action) => {
    const timer = setTimeout(action, ms);
    return () => clearTimeout(timer);
  },
};

const entropy: Entropy = { bytes: (length) => crypto.getRandomValues(new Uint8Array(length)) };

/** An app over a fake gateway, and every line that it logged. */
export function createTestApp(options: Partial<AppOptions> = {}) {
  const gateway = createFakeGateway();
  const lines: Record<string, unknown>[] = [];
  const app = createApp(gateway, {
    version: "0.1.0",
    baseUrl: BASE,
    clock,
    entropy,
    log: (line) => lines.push({ ...line }),
    ...options,
  });
  return { app, gateway, lines };
}

/** A good invocation, to be spoilt by tests. */
export const GOOD_BODY = { input: { place: "Bern" }, purpose: "support-chat" };

/** An invocation request with parts replaced. */
export function invocation(
  parts: { path?: string; method?: string; headers?: Record<string, string>; body?: BodyInit | null } = {},
): Request {
  const body = parts.body === undefined ? JSON.stringify(GOOD_BODY) : parts.body;
  const method = parts.method ?? "POST";
  // Node wants to be told that a stream is sent before its answer is read; the type does not know the member.
  const duplex = body instanceof ReadableStream ? { duplex: "half" } : {};
  return new Request(`${BASE}${parts.path ?? "/v1/tools/weather/weather/forecast"}`, {
    method,
    headers: { authorization: KEY, "content-type": "application/json", ...parts.headers },
    ...(method === "GET" || method === "HEAD" ? {} : { body }),
    ...duplex,
  });
}

/** A refusal of every code. */
export const REFUSALS: readonly Refusal[] = [
  { code: "invalid-request", errors: [{ pointer: "/input/x", detail: "is missing" }] },
  { code: "unauthenticated" },
  { code: "denied", decision: RUN, missing: ["purpose"] },
  { code: "insufficient-scope", scope: "evidence", decision: "" },
  { code: "unknown-tool" },
  { code: "run-conflict", run: RUN, retryAfterSeconds: 1 },
  { code: "key-reused", run: RUN },
  { code: "task-closed", outcome: "failed" },
  { code: "input-too-large", limitBytes: 10 },
  { code: "component-refused", imports: ["wasi:keyvalue/store"] },
  {
    ...{ code: "budget-spent", retryAfterSeconds: 3, budget: "fuel", reason: "3 of 9 fuel are left" },
    window: { per_seconds: 60, class: "exploratory", limit: 9, left: 3 },
  },
  { code: "retry-budget-spent", retryAfterSeconds: 0.2, budget: "retries", reason: "too many" },
  { code: "loop-capped", retryAfterSeconds: 0, budget: "confidence", reason: "a loop" },
  { code: "tool-suspended", reason: "widened", since: "2026-11-20T09:30:00.000Z" },
  { code: "reload-refused", faults: ["policies/weather.yaml:3:1 purpose: wanted a list"] },
  { code: "internal" },
  { code: "identity-unavailable", retryAfterSeconds: 5 },
  { code: "sandbox-unavailable", retryAfterSeconds: 1 },
  { code: "evidence-unavailable", retryAfterSeconds: 2 },
];
