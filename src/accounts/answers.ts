/** Outputs that are kept for later: for whoever sends an idempotency key again, and for runs that end badly. */
import { GatewayError } from "../core/errors.ts";
import type { Outcome, RunPredicate } from "../core/manifest/index.ts";
import type { JsonValue } from "../core/policy/index.ts";
import type { AnswerPlace, AnswerVault, Clock, Kept, RunRow, RunSettlement, Store } from "../ports/index.ts";
import { bodyHash, inputHash, keyHash, type RunIdentity } from "./claims.ts";
import { keyInUse } from "./refusals.ts";

/** What a caller was told of a run, beside its evidence. */
export interface ReleasedOutput {
  readonly outcome: Outcome;
  readonly output: JsonValue;
  readonly fallback?: { readonly kind: "static" | "last-good" | "tool"; readonly value: JsonValue };
}

/** The kept outputs of one store. */
export class Answers {
  readonly #store: Pick<Store, "accounts" | "findRun">;
  readonly #vault: AnswerVault;
  readonly #clock: Clock;

  constructor(store: Pick<Store, "accounts" | "findRun">, vault: AnswerVault, clock: Clock) {
    this.#store = store;
    this.#vault = vault;
    this.#clock = clock;
  }

  /**
   * The answer that a request with an idempotency key was given before.
   *
   * @returns undefined when the key was not sent before
   * @throws {GatewayError} `key-reused`, `run-conflict` while that run is under way, `evidence-unavailable` when its
   *   output was withheld or erased
   */
  async findAnswer(
    identity: Omit<RunIdentity, "run" | "startedAtMs" | "operation">,
  ): Promise<{ readonly seal: NonNullable<RunRow["seal"]>; readonly released: ReleasedOutput } | undefined> {
    const { tenant, tool, function: name, idempotencyKey } = identity;
    if (idempotencyKey === undefined) return undefined;
    const place = { tenant, tool, function: name };
    const keyed = await this.#store.accounts.findKey(place, keyHash(idempotencyKey), this.#clock.nowMs());
    if (keyed === undefined) return undefined;
    if (keyed.body !== bodyHash(identity)) throw keyInUse(keyed.run, false);
    const row = await this.#store.findRun(tenant, keyed.run);
    if (row?.seal === undefined) throw keyInUse(keyed.run, true);
    const { seal } = row;
    if (keyed.answer !== undefined)
      return { seal, released: await this.#open(tenant, keyed.run, keyed.answer) };
    // Sealed without an answer: nobody saw its end, or its output was withheld. Only the first can be told.
    const { outcome, output_hash } = predicateOf(seal.bundle);
    if (output_hash === null) return { seal, released: { outcome, output: null } };
    throw new GatewayError(`Cannot repeat the answer of run ${keyed.run}: it was withheld, or erased`, {
      code: "evidence-unavailable",
      retryAfterSeconds: 60,
    });
  }

  /** Encrypts what a caller is about to be told, for whoever sends the key again. */
  async keepAnswer(
    tenant: string,
    run: string,
    released: ReleasedOutput,
  ): Promise<NonNullable<RunSettlement["key"]>> {
    return { kind: "answer", answer: await this.#keep(tenant, placeOf(run, "answer"), released) };
  }

  /** Encrypts an output, for later runs that end badly. */
  async keepLastGood(
    identity: RunIdentity,
    output: JsonValue,
  ): Promise<NonNullable<RunSettlement["lastGood"]>> {
    return {
      place: lastGoodPlace(identity),
      output: await this.#keep(identity.tenant, placeOf(identity.run, "last-good"), output),
      atMs: this.#clock.nowMs(),
    };
  }

  /**
   * The last output for the same input.
   *
   * @param maxAgeMs counted from the end of the run that gave it
   * @returns undefined when there is none, or it is too old, or it can not be read: then there is no fallback
   */
  async findLastGood(
    identity: RunIdentity,
    maxAgeMs: number,
  ): Promise<{ readonly run: string; readonly value: JsonValue } | undefined> {
    const found = await this.#store.accounts.findLastGood(lastGoodPlace(identity));
    if (found === undefined || this.#clock.nowMs() - found.atMs > maxAgeMs) return undefined;
    const { run, output } = found;
    const text = await this.#vault
      .open(identity.tenant, placeOf(run, "last-good"), output)
      .catch(() => undefined);
    // Written by `keepLastGood`, and bound to its place by the encryption.
    return text === undefined ? undefined : { run, value: JSON.parse(text) as JsonValue };
  }

  async #keep(tenant: string, place: string, value: ReleasedOutput | JsonValue): Promise<Kept> {
    return await this.#vault.seal(tenant, place, JSON.stringify(value));
  }

  async #open(tenant: string, run: string, kept: Kept): Promise<ReleasedOutput> {
    // Written by `keepAnswer`, and bound to its run by the encryption.
    return JSON.parse(await this.#vault.open(tenant, placeOf(run, "answer"), kept)) as ReleasedOutput;
  }
}

function placeOf(run: string, use: "answer" | "last-good"): string {
  return JSON.stringify([use, run]);
}

function lastGoodPlace({ tenant, tool, function: name, input }: RunIdentity): AnswerPlace {
  return { tenant, tool, function: name, input: inputHash(input) };
}

/** What a bundle of ours says, written by this gateway or another one of the same database. */
function predicateOf(bundle: string): Pick<RunPredicate, "outcome" | "output_hash"> {
  const { dsseEnvelope } = JSON.parse(bundle) as { readonly dsseEnvelope: { readonly payload: string } };
  const payload = Uint8Array.from(atob(dsseEnvelope.payload), (character) => character.charCodeAt(0));
  const statement = JSON.parse(new TextDecoder().decode(payload)) as { readonly predicate: RunPredicate };
  return statement.predicate;
}
