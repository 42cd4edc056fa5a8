/** Answers that outlive their request: found again by an idempotency key, and kept for whoever will ask. */
import type { Accounts, ReleasedOutput, RunIdentity } from "../accounts/index.ts";
import type { Policy, Principal } from "../core/policy/index.ts";
import type { KeptOutputs } from "../evidence/index.ts";
import type { Allowed, InvokeParts } from "./parts.ts";
import type { Admission } from "./predicate.ts";
import type { InvocationAnswer, InvocationRequest } from "./types.ts";

/** A run, as far as accounts are about it. */
export function identityOf(admission: Admission, { operation }: Allowed): RunIdentity {
  const { run, principal, tool, callee, request, startedAtMs } = admission;
  const { input, purpose, task, idempotencyKey } = request;
  return {
    ...{ run, tenant: principal.tenant, tool: tool.name, function: callee.key, operation, input, purpose },
    ...(task === undefined ? {} : { task }),
    ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
    startedAtMs,
  };
}

/**
 * The answer that the same request was given before, byte for byte: output, manifest, receipt.
 *
 * @param name key of the function
 * @returns undefined when its key is new
 * @throws {GatewayError} `key-reused`, `run-conflict`, `evidence-unavailable`
 */
export async function findEarlier(
  { accounts, evidence }: Pick<InvokeParts, "accounts" | "evidence">,
  { tenant }: Principal,
  request: InvocationRequest,
  name: string,
  traceparent: string,
): Promise<{ readonly answer: InvocationAnswer } | undefined> {
  const found = await accounts.answers.findAnswer({ ...request, tenant, function: name });
  if (found === undefined) return undefined;
  const { seal, released } = found;
  const { bundle, receipt } = await evidence.release(seal);
  return { answer: { run: seal.run, ...released, manifest: bundle, receipt, replayed: true, traceparent } };
}

/**
 * Encrypts what of an answer is kept, for the transaction that seals the run.
 *
 * @param refused the caller is told that nothing ran: the key is free again
 */
export async function keepOutputs(
  { answers }: Accounts,
  identity: RunIdentity,
  { fallback }: Policy,
  released: ReleasedOutput,
  refused: boolean,
): Promise<KeptOutputs> {
  const { tenant, run, idempotencyKey } = identity;
  if (refused) return { key: { kind: "release" } };
  const isLastGood = fallback.kind === "last-good" && released.outcome.kind === "completed";
  return {
    ...(idempotencyKey === undefined ? {} : { key: await answers.keepAnswer(tenant, run, released) }),
    ...(isLastGood ? { lastGood: await answers.keepLastGood(identity, released.output) } : {}),
  };
}
