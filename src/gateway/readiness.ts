/**
 * Whether an invocation sent now would be served. Asked by load balancers as often as they like and by strangers too, so
 * an answer is kept for a moment, and asking signs nothing and syncs at most once in that moment.
 */
import type { Evidence } from "../evidence/index.ts";
import type { Clock, Sandbox, Signer, Store } from "../ports/index.ts";
import type { Readiness } from "./types.ts";

/** For this long an answer is given again. */
const KEPT_MS = 1_000;

/** What is looked at. */
export interface ReadinessParts {
  readonly store: Store;
  readonly signer: Signer;
  readonly evidence: Evidence;
  readonly sandbox: Sandbox;
  readonly clock: Clock;
}

/** @returns asks, or gives the answer that was found a moment ago */
export function createReadiness(parts: ReadinessParts): () => Promise<Readiness> {
  let asked: Promise<Readiness> | undefined;
  let askedAtMs = Number.NEGATIVE_INFINITY;
  return () => {
    const nowMs = parts.clock.monotonicMs();
    if (asked === undefined || nowMs - askedAtMs >= KEPT_MS) {
      asked = look(parts);
      askedAtMs = nowMs;
    }
    return asked;
  };
}

async function look({ store, signer, evidence, sandbox }: ReadinessParts): Promise<Readiness> {
  const [isStored, isSigned, isLogged] = await Promise.all([
    succeeds(store.check()),
    succeeds(signer.keys()),
    succeeds(evidence.checkpoint()),
  ]);
  const witnessed = evidence.witnessed();
  const checks = [
    { name: "store", ok: isStored },
    { name: "signer", ok: isSigned },
    { name: "log", ok: isLogged },
    ...(witnessed === undefined ? [] : [{ name: "witnesses", ok: witnessed }]),
    { name: "sandbox", ok: sandbox.isolation.verified.length > 0 },
  ];
  return { ready: checks.every(({ ok }) => ok), checks };
}

async function succeeds(attempt: Promise<unknown>): Promise<boolean> {
  try {
    await attempt;
    return true;
  } catch {
    return false;
  }
}
