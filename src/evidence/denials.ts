/**
 * Signed denials under a flood. A few a second of each tenant are signed one by one; what comes beyond that waits for
 * the end of its window and shares one signed statement, which names every one of them. Whoever is denied is answered
 * when the statement that carries the denial is durable, so a flood pays with its own waiting, and signing costs us the
 * same whether there are ten denials a second or ten thousand.
 *
 * A crash while a window is open leaves denials that nobody was answered for, and nothing of which ran.
 */
import { sha256Hex } from "../core/digest.ts";
import { createStatement, encodeStatement, type RunPredicate } from "../core/manifest/index.ts";
import type { Clock } from "../ports/index.ts";
import type { Sealed } from "./seal.ts";

/** Denials of one tenant that are signed alone, on average and at once. */
const SINGLE = { perSecond: 10, burst: 20 } as const;
/** How long a window stays open. */
const WINDOW_MS = 1_000;
/** How many denials share a statement at most; then its window closes early. */
const WINDOW_SIZE = 1_000;

/** A denial whose evidence is durable. */
export interface RefusedSealed extends Sealed {
  /** The run whose manifest carries the denial: its own, or the first one's of its window. */
  readonly run: string;
}

interface Window {
  readonly predicates: RunPredicate[];
  readonly sealed: PromiseWithResolvers<RefusedSealed>;
  readonly cancel: () => void;
}

/** How many more a tenant may have signed alone. */
interface Bucket {
  left: number;
  atMs: number;
}

/** The denials of one gateway. */
export class Denials {
  readonly #clock: Clock;
  readonly #seal: (predicate: RunPredicate) => Promise<Sealed>;
  readonly #buckets = new Map<string, Bucket>();
  /** Open windows, by what all denials in one have in common. */
  readonly #windows = new Map<string, Window>();

  /** @param seal signs and stores one denial */
  constructor(clock: Clock, seal: (predicate: RunPredicate) => Promise<Sealed>) {
    this.#clock = clock;
    this.#seal = seal;
  }

  /** @throws whatever sealing throws: of a shared statement to everybody who shares it */
  async refuse(predicate: RunPredicate): Promise<RefusedSealed> {
    if (this.#mayBeAlone(predicate.tenant)) return withRun(await this.#seal(predicate), predicate.run);
    const key = commonOf(predicate);
    const shared = this.#windows.get(key) ?? this.#open(key);
    shared.predicates.push(predicate);
    if (shared.predicates.length >= WINDOW_SIZE) this.#close(key, shared);
    return await shared.sealed.promise;
  }

  #mayBeAlone(tenant: string): boolean {
    const nowMs = this.#clock.monotonicMs();
    const bucket = this.#buckets.get(tenant) ?? { left: SINGLE.burst, atMs: nowMs };
    const refilled = bucket.left + ((nowMs - bucket.atMs) / 1000) * SINGLE.perSecond;
    const left = Math.min(SINGLE.burst, Math.max(refilled, bucket.left));
    const isAlone = left >= 1;
    this.#buckets.set(tenant, { left: isAlone ? left - 1 : left, atMs: nowMs });
    return isAlone;
  }

  #open(key: string): Window {
    const sealed = Promise.withResolvers<RefusedSealed>();
    // Everybody who waits is told; that nobody waits yet is no unhandled failure.
    sealed.promise.catch(() => undefined);
    const shared: Window = {
      predicates: [],
      sealed,
      cancel: this.#clock.after(WINDOW_MS, () => this.#close(key, shared)),
    };
    this.#windows.set(key, shared);
    return shared;
  }

  #close(key: string, { predicates, sealed, cancel }: Window): void {
    cancel();
    this.#windows.delete(key);
    const predicate = aggregate(predicates);
    this.#seal(predicate).then(
      (one) => sealed.resolve(withRun(one, predicate.run)),
      (error: unknown) => sealed.reject(error),
    );
  }
}

/** What the shared statement says of all of them alike. Only the operator can add to these, so there are few windows. */
function commonOf({ tenant, principal, tool, function: name, policy_id, decision }: RunPredicate): string {
  const clauses = decision.reasons.map(({ clause, effect }) => [clause, effect]);
  return JSON.stringify([tenant, principal, tool, name, policy_id, clauses]);
}

/** The first denial's statement, and in it all of them. */
function aggregate(predicates: readonly RunPredicate[]): RunPredicate {
  const [first] = predicates;
  const last = predicates.at(-1);
  if (first === undefined || last === undefined)
    throw new TypeError("Cannot aggregate denials: there are none");
  if (predicates.length === 1) return first;
  const reasons: Record<string, number> = {};
  for (const { decision } of predicates) {
    for (const { clause, effect } of decision.reasons)
      if (effect === "deny") reasons[clause] = (reasons[clause] ?? 0) + 1;
  }
  return {
    ...first,
    finished_at: last.finished_at,
    aggregate: {
      count: predicates.length,
      from: first.started_at,
      until: last.finished_at,
      reasons,
      members: predicates.map((predicate) => ({
        run: predicate.run,
        digest: `sha256:${sha256Hex(encodeStatement(createStatement(predicate)))}`,
      })),
    },
  };
}

function withRun(sealed: Sealed, run: string): RefusedSealed {
  return {
    run,
    bundle: sealed.bundle,
    receipt: sealed.receipt,
    // Written when it is asked for, as in what it is taken from.
    get text() {
      return sealed.text;
    },
  };
}
