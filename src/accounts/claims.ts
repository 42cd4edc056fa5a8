/** What a run claims, by its policy and by what its caller says of it. Pure. */
import { CLASS_OF_NO_TASK, claimWindows } from "../core/budget/index.ts";
import { canonicalJson, sha256Hex } from "../core/digest.ts";
import type { RunPredicate } from "../core/manifest/index.ts";
import type { JsonValue, Operation, Policy, TaskClass } from "../core/policy/index.ts";
import type { Claimed, RunClaims } from "../ports/index.ts";

/** How long beyond its time to live a run may still be sealed before what it holds goes back by itself. */
const LEASE_GRACE_MS = 120_000;
/** How long an idempotency key stands for its run. */
const KEY_MS = 86_400_000;

/** One run, as far as claims are about it. */
export interface RunIdentity {
  readonly run: string;
  readonly tenant: string;
  readonly tool: string;
  readonly function: string;
  readonly operation: Operation;
  readonly input: JsonValue;
  readonly purpose: string;
  readonly task?: { readonly id: string; readonly class: TaskClass; readonly confidence?: number };
  readonly idempotencyKey?: string;
  readonly startedAtMs: number;
}

/** How much of one limit of one window is left. */
export interface ClaimedWindow {
  readonly measure: string;
  readonly perSeconds: number;
  readonly limit: number;
  readonly left: number;
  readonly resetsAtMs: number;
}

/** @returns what the run claims under its policy; windows, retries and loops only as the policy names them */
export function claimsOf(identity: RunIdentity, policy: Policy): RunClaims {
  const { run, tenant, tool, function: name, operation, task, idempotencyKey, startedAtMs } = identity;
  const { retry_budget: budget, loop_cap: cap } = policy;
  return {
    run,
    tenant,
    tool,
    function: name,
    atMs: startedAtMs,
    windows: claimWindows(policy, task?.class ?? CLASS_OF_NO_TASK, startedAtMs),
    expiresAtMs: startedAtMs + policy.max_duration_ms + LEASE_GRACE_MS,
    ...(idempotencyKey === undefined
      ? {}
      : {
          key: {
            hash: keyHash(idempotencyKey),
            body: bodyHash(identity),
            expiresAtMs: startedAtMs + KEY_MS,
          },
        }),
    ...(budget === undefined
      ? {}
      : {
          attempt: {
            // Of the input alone: a caller who makes a new key for each attempt tries again all the same.
            fingerprint: inputHash(identity.input),
            operation,
            budget,
            // A write that is sent again without a key happens again.
            mayRetry: operation === "read" || idempotencyKey !== undefined,
          },
        }),
    ...(cap === undefined || task === undefined
      ? {}
      : {
          loop: {
            task: task.id,
            cap,
            ...(task.confidence === undefined ? {} : { confidence: task.confidence }),
          },
        }),
  };
}

/** What the manifest says of the claims. */
export function describeClaims({
  windows,
  key,
  expiresAtMs,
}: RunClaims): Pick<RunPredicate, "lease" | "idempotency_key"> {
  const lease = {
    expires_at: new Date(expiresAtMs).toISOString(),
    windows: windows.map((taken) => ({
      class: taken.class,
      per_seconds: taken.per_seconds,
      starts_at: new Date(taken.starts_at_ms).toISOString(),
      taken: taken.take,
    })),
  };
  return {
    ...(windows.length === 0 ? {} : { lease }),
    ...(key === undefined ? {} : { idempotency_key: key.hash }),
  };
}

/** What is left of each limit after the claims were taken, in the policy's order. */
export function leftOf(
  { windows }: RunClaims,
  { held }: Extract<Claimed, { kind: "ok" }>,
): readonly ClaimedWindow[] {
  return windows.flatMap((taken, index) => {
    const now = held[index];
    const resetsAtMs = taken.starts_at_ms + taken.per_seconds * 1000;
    return (["runs", "fuel", "egress_bytes", "wall_ms"] as const).flatMap((measure) => {
      const limit = taken.limit[measure];
      if (limit === undefined || now === undefined) return [];
      const left = Math.max(0, limit - now[measure]);
      return [{ measure, perSeconds: taken.per_seconds, limit, left, resetsAtMs }];
    });
  });
}

/** @returns `sha256:<hex>` of an idempotency key: the key is the caller's, and kept nowhere */
export function keyHash(key: string): string {
  return `sha256:${sha256Hex(new TextEncoder().encode(key))}`;
}

/** @returns `sha256:<hex>` of everything that has to be the same when a key is sent again */
export function bodyHash({ input, purpose, task }: Pick<RunIdentity, "input" | "purpose" | "task">): string {
  // A caller may grow more confident of the same request.
  const asked = { input, purpose, task: task === undefined ? null : { id: task.id, class: task.class } };
  return `sha256:${sha256Hex(canonicalJson(asked))}`;
}

/** @returns `sha256:<hex>` of an input's canonical JSON, as manifests have it */
export function inputHash(input: JsonValue): string {
  return `sha256:${sha256Hex(canonicalJson(input))}`;
}
