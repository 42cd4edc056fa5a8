/** Predicates, keys and manifests for tests; each of them is one that a gateway could have made. */
import {
  createBundle,
  createStatement,
  encodeBase64,
  encodeStatement,
  type Outcome,
  PAYLOAD_TYPE,
  pae,
  type RunPredicate,
  rawToDer,
  type TrustedKey,
  thumbprint,
} from "../../../src/core/manifest/index.ts";
import type { Grant } from "../../../src/core/policy/types.ts";

const ES256 = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;

/** One of every kind of outcome. */
export const OUTCOMES: readonly Outcome[] = [
  { kind: "denied" },
  { kind: "completed" },
  { kind: "failed", error: { code: 7, "why\u0000": ["ü", null, -0.5] } },
  { kind: "trapped", reason: "unreachable" },
  { kind: "exhausted", budget: "call_depth" },
  { kind: "timed-out", afterMs: 2000.5 },
  { kind: "revoked", reason: "shutdown" },
  {
    kind: "denied-import",
    import: "wasi:http/outgoing-handler#handle",
    target: "GET https://evil.example:443/",
  },
  { kind: "indeterminate", reason: "gateway-ended" },
];

/** One of every kind of grant. */
export const GRANTS: readonly Grant[] = [
  {
    kind: "http-client",
    rules: [{ host: "api.example.com", scheme: "https", port: 443, methods: ["GET"], paths: ["/v1/*"] }],
    secretProfile: "weather-api",
  },
  { kind: "secrets", profile: "weather-api" },
  { kind: "log" },
  { kind: "run-info" },
  { kind: "clocks" },
  { kind: "random" },
  { kind: "stdio" },
  { kind: "environment" },
];

/** A completed run, with everything that can be said about one. */
export function predicateOf(overrides: Partial<RunPredicate> = {}): RunPredicate {
  const use = { granted: 1000, used: 12 };
  return {
    run: "run_01J00000000000000000000000",
    tenant: "acme",
    principal: "key:7f3a91c2",
    tool: "weather",
    function: "weather/forecast",
    purpose: "support-chat",
    task: { id: "ticket-7", class: "customer_visible" },
    trace_id: "4bf92f3577b34da6a3ce929d0e0e4736",
    policy_id: `sha256:${"1".repeat(64)}`,
    artifact_hash: `sha256:${"2".repeat(64)}`,
    input_hash: `sha256:${"3".repeat(64)}`,
    output_hash: `sha256:${"4".repeat(64)}`,
    decision: {
      effect: "allow",
      reasons: [{ clause: "purpose", effect: "allow", detail: "support-chat is listed" }],
    },
    grants: GRANTS,
    budget: {
      fuel: use,
      memory_bytes: use,
      egress_bytes: use,
      requests: use,
      output_bytes: use,
      log_bytes: { granted: 1000, used: null },
      wall_ms: use,
    },
    memory_peak_bytes: 65536,
    cost_table: "writ-1",
    events: [
      {
        seq: 0,
        at_ms: 3,
        import: "wasi:http/outgoing-handler#handle",
        effect: "allowed",
        target: "GET https://api.example.com:443/v1/forecast",
        clause: "network_allowlist[0]",
        bytes_in: 10,
        bytes_out: 20,
        result: "200",
      },
    ],
    outcome: { kind: "completed" },
    isolation: { level: "process+permissions", verified: ["no-environment", "no-network"] },
    runtime: { host: "node 26.10.0", executor: "node 26.10.0", writ: "0.1.0" },
    started_at: "2026-01-31T23:59:59.999Z",
    finished_at: "2026-02-01T00:00:00.123Z",
    ...overrides,
  };
}

/** A key pair that signs as a gateway's signer does. */
export interface TestKey {
  readonly trusted: TrustedKey;
  sign(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>>;
}

/** @returns a fresh P-256 key. */
export async function testKey(): Promise<TestKey> {
  const pair = await crypto.subtle.generateKey(ES256, true, ["sign", "verify"]);
  const spki = new Uint8Array(await crypto.subtle.exportKey("spki", pair.publicKey));
  return {
    trusted: { keyId: thumbprint(spki), spki: encodeBase64(spki), validFromMs: 0 },
    sign: async (bytes) => rawToDer(new Uint8Array(await crypto.subtle.sign(ES256, pair.privateKey, bytes))),
  };
}

/** Signs any payload as a manifest, however wrong it is. */
export async function signPayload(key: TestKey, payload: Uint8Array, type: string = PAYLOAD_TYPE) {
  const signatureDer = await key.sign(pae(type, payload));
  return createBundle({ payload, signatureDer, keyId: key.trusted.keyId });
}

/** Signs a predicate as the manifest it should be. */
export async function signManifest(key: TestKey, predicate: RunPredicate) {
  return await signPayload(key, encodeStatement(createStatement(predicate)));
}
