/**
 * Closes what was left open. A run is open when its intent is stored and its seal is not: because its gateway died, or
 * because sealing failed. Sealing here and sealing at the end of a run are the same function.
 */
import { type RunPredicate, RunPredicateSchema } from "../core/manifest/index.ts";
import type { Clock, Intent, RunSettlement, Store } from "../ports/index.ts";
import { type Sealed, type SealParts, signPredicate } from "./seal.ts";

/** What of a settlement only the caller of the run knows; the rest is read from the statement. */
export type KeptOutputs = Pick<RunSettlement, "key" | "lastGood">;

/** A statement that waits to be sealed, with what is kept for later requests when it is. */
interface Waiting {
  readonly predicate: RunPredicate;
  readonly outputs: KeptOutputs | undefined;
}

/** What one round did. */
export interface Reconciled {
  /** Runs sealed. */
  readonly sealed: number;
  /** Runs that should have been sealed and were not; the next round tries them again. */
  readonly failed: number;
  /** The last failure's error, when there was one. */
  readonly error?: unknown;
}

/** At most this many statements of unsealed runs are kept in memory; a run beyond them ends as `indeterminate`. */
const MAX_KEPT = 1000;
/** Open runs read at once. */
const PAGE = 1000;
/** Runs sealed at once: they share commits. */
const AT_ONCE = 64;

/**
 * The end of a run whose end nobody saw.
 *
 * @param reason `gateway-ended`: it may have run, and an outside effect may have happened; `not-started`: it did not run
 * @param atMs now, by the gateway's clock
 */
export function unknownEnd(reason: "gateway-ended" | "not-started", atMs: number) {
  return {
    output_hash: null,
    memory_peak_bytes: null,
    events: [],
    outcome: { kind: "indeterminate", reason },
    finished_at: new Date(atMs).toISOString(),
  } satisfies Partial<RunPredicate>;
}

/** Seals, and remembers what could not be sealed. */
export class Reconciler {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #sealing: SealParts;
  readonly #settle: ((predicate: RunPredicate) => RunSettlement) | undefined;
  /** What runs did whose seal failed, by run: better evidence than `indeterminate`, for as long as this process lives. */
  readonly #kept = new Map<string, Waiting>();
  /** The round under way: rounds never overlap, so none seals what another is sealing. */
  #round: Promise<unknown> = Promise.resolve();

  constructor(parts: {
    readonly store: Store;
    readonly clock: Clock;
    readonly sealing: SealParts;
    readonly settle: ((predicate: RunPredicate) => RunSettlement) | undefined;
  }) {
    this.#settle = parts.settle;
    this.#sealing = parts.sealing;
    this.#store = parts.store;
    this.#clock = parts.clock;
  }

  /**
   * Signs and stores.
   *
   * @param outputs may still be on their way: encrypting and signing are both other threads' work
   * @throws whatever signer or store throw, or the outputs; then the run may or may not be sealed
   */
  async seal(predicate: RunPredicate, outputs?: KeptOutputs | Promise<KeptOutputs>): Promise<Sealed> {
    const nowMs = this.#clock.nowMs();
    const [{ seal, release }, kept] = await Promise.all([
      signPredicate(predicate, this.#sealing, nowMs),
      outputs,
    ]);
    const settlement = this.#settle && { ...this.#settle(predicate), ...kept };
    return await release(await this.#store.seal(seal, settlement, this.#sealing.checkpoints.expect));
  }

  /**
   * Remembers the statement of a run whose seal failed. The answer to its caller is withheld all the same.
   *
   * @param outputs what may be told to whoever asks again, once it is sealed; default: nothing
   */
  keep(predicate: RunPredicate, outputs?: KeptOutputs): void {
    if (this.#kept.size < MAX_KEPT) this.#kept.set(predicate.run, { predicate, outputs });
  }

  /**
   * One round; waits for the one under way.
   *
   * @param isDead says of which open runs it is known that nobody will seal them
   * @throws whatever the store throws when open runs can not be read
   */
  reconcile(isDead: (intent: Intent) => boolean): Promise<Reconciled> {
    const round = this.#round.then(() => this.#reconcile(isDead));
    this.#round = round.catch(() => undefined);
    return round;
  }

  async #reconcile(isDead: (intent: Intent) => boolean): Promise<Reconciled> {
    let sealed = 0;
    for (;;) {
      const keptBefore = [...this.#kept.keys()];
      const open = await this.#store.openRuns(Number.MAX_SAFE_INTEGER, PAGE);
      const dead = open.filter((intent) => this.#kept.has(intent.run) || isDead(intent));
      const errors = await this.#closeAll(dead);
      sealed += dead.length - errors.length;
      if (open.length === PAGE && errors.length < dead.length) continue;
      if (open.length < PAGE) this.#forgetAllBut(open, keptBefore);
      return errors.length === 0
        ? { sealed, failed: 0 }
        : { sealed, failed: errors.length, error: errors.at(-1) };
    }
  }

  /** @returns the errors of those that stay open. */
  async #closeAll(intents: readonly Intent[]): Promise<readonly unknown[]> {
    const errors: unknown[] = [];
    for (let start = 0; start < intents.length; start += AT_ONCE) {
      const together = intents.slice(start, start + AT_ONCE).map((intent) => this.#close(intent));
      for (const result of await Promise.allSettled(together)) {
        if (result.status === "rejected") errors.push(result.reason);
      }
    }
    return errors;
  }

  async #close(intent: Intent): Promise<void> {
    const kept = this.#kept.get(intent.run);
    try {
      await this.seal(kept?.predicate ?? readIndeterminate(intent, this.#clock.nowMs()), kept?.outputs);
    } catch (error) {
      // A statement that can not even be written never will be: the next round says `indeterminate` instead.
      if (error instanceof TypeError) this.#kept.delete(intent.run);
      if (!(await this.#isSealed(intent.run))) throw error;
      // By another gateway on the same store: of all that try, the store lets one through.
    }
    this.#kept.delete(intent.run);
  }

  async #isSealed(run: string): Promise<boolean> {
    try {
      return (await this.#store.findRunOfAnyTenant(run))?.seal !== undefined;
    } catch {
      return false;
    }
  }

  /** What is kept for runs that are not open: sealed although the store said otherwise, or never stored. */
  #forgetAllBut(open: readonly Intent[], keptBefore: readonly string[]): void {
    const openRuns = new Set(open.map(({ run }) => run));
    for (const run of keptBefore) if (!openRuns.has(run)) this.#kept.delete(run);
  }
}

/**
 * How long a run may take by its own budget, in ms.
 *
 * @param longestMs for an intent that does not say
 */
export function timeToLive(intent: Intent, longestMs: number): number {
  try {
    return Math.min(
      readIndeterminate(intent, intent.admittedAtMs).budget?.wall_ms.granted ?? longestMs,
      longestMs,
    );
  } catch {
    return longestMs;
  }
}

/** The statement about a run of which only the stored intent is known. @throws when that is none of ours */
function readIndeterminate(intent: Intent, atMs: number): RunPredicate {
  const known: unknown = JSON.parse(intent.predicate);
  return RunPredicateSchema.parse({
    ...(typeof known === "object" ? known : {}),
    // The columns are what the run is found by: the statement must be about that run.
    run: intent.run,
    tenant: intent.tenant,
    tool: intent.tool,
    function: intent.function,
    ...unknownEnd("gateway-ended", atMs),
  });
}
