/**
 * The evidence of runs: intent → seal → release. What a run gives is worth nothing to its caller until its statement
 * is signed and stored, so every failure here ends as `evidence-unavailable` and the output stays where it is.
 *
 * Where a crash can fall, and what it leaves:
 * - before the intent is stored: nothing, and nothing ran;
 * - between intent and seal: an open run, sealed as `indeterminate` by the reconciler. A machine that lost its power may
 *   have lost the intent as well, of a run that had not asked its host for anything: it had no effect, and told nobody;
 * - after the seal: a sealed run whose caller was not told; asking for the run gives its manifest. The seal and its
 *   place in the log are one transaction, so there is no sealed run that the log does not have.
 *
 * The reconciler seals with the same code as the normal path.
 */
import { sha256Bytes } from "../core/digest.ts";
import { GatewayError } from "../core/errors.ts";
import { type ActionPredicate, missingFields, type RunPredicate } from "../core/manifest/index.ts";
import { parseCheckpoint, parseNote, type Sha256 } from "../core/merkle/index.ts";
import type { ObservabilityField } from "../core/policy/index.ts";
import { beginRounds } from "../core/rounds.ts";
import type {
  Claimed,
  Clock,
  Intent,
  NoteSigner,
  RunClaims,
  RunRow,
  RunSettlement,
  Signer,
  Store,
} from "../ports/index.ts";
import { Checkpoints } from "./checkpoints.ts";
import { Denials, type RefusedSealed } from "./denials.ts";
import { type KeptOutputs, type Reconciled, Reconciler, timeToLive, unknownEnd } from "./reconciler.ts";
import { releaseAgain, type Sealed, signAction, signPredicate, writeManifest } from "./seal.ts";
import { Witnessing, type WitnessingParts, type WitnessPolicy } from "./witnesses.ts";

export type { RefusedSealed } from "./denials.ts";
export type { KeptOutputs, Reconciled } from "./reconciler.ts";
export type { Receipt, Sealed } from "./seal.ts";

/**
 * What is known of a run before it runs. `budget` carries what was granted, each `used` null; `isolation` and
 * `runtime` what the sandbox would give.
 */
export type KnownBeforeRun = Omit<
  RunPredicate,
  | "output_hash"
  | "memory_peak_bytes"
  | "events"
  | "outcome"
  | "journal_hash"
  | "fallback"
  | "aggregate"
  | "finished_at"
>;

/** The tenant that operators' actions are kept under. No credential is of it: tenants' names have letters. */
export const OPERATOR = "";

/** What evidence is made with. */
export interface EvidenceParts {
  readonly store: Store;
  readonly signer: Signer;
  /** Signs the checkpoints of the log that the store keeps. */
  readonly noteSigner: NoteSigner;
  readonly clock: Clock;
  /** By what moments of several gateways are compared; default: `clock`. What is signed is dated by `clock`. */
  readonly time?: Pick<Clock, "nowMs">;
  /** The host's SHA-256, which takes a fifth of ours; default: ours. */
  readonly sha256?: Sha256;
  /** What a run comes to, by the statement about it; default: nothing is settled but that it gives back what it held. */
  readonly settle?: (predicate: RunPredicate) => RunSettlement;
  /** Whom to ask for cosignatures; absent = nobody. */
  readonly witnesses?: WitnessPolicy & Pick<WitnessingParts, "outgoing" | "verify" | "keep" | "kept">;
}

/** Records what runs do. Every method rejects with `evidence-unavailable` when it can not. */
export interface Evidence {
  /** Whether nothing is known by which {@link Evidence.admit} would reject. */
  mayAdmit(): boolean;
  /**
   * Records the intention to run, and takes what the run claims, in one. When this resolves the guest may compute, for
   * itself; it may have no effect before {@link Evidence.syncIntent}, and nothing of it may be released before its seal.
   *
   * @param taken told, at most once and perhaps never, when all that the run claims is taken and nothing but the recording is
   *   left to do: the guest may compute meanwhile. When this rejects then, it has to end
   * @returns what was claimed; when that is refused, nothing is recorded and nothing may run
   * @throws {GatewayError} `evidence-unavailable`: nothing may run
   */
  admit(known: KnownBeforeRun, claims?: RunClaims, taken?: () => void): Promise<Claimed>;
  /**
   * Makes the intent of a run durable, where it is not yet: no loss of power takes it back when this resolves. For whoever
   * is about to do what the run asks for.
   *
   * @throws {GatewayError} `evidence-unavailable`: nothing may be done for it
   */
  syncIntent(run: string): Promise<void>;
  /**
   * Signs what an admitted run did and stores it; no output may be released before this resolves.
   *
   * @param required the policy's `required_observability_fields`
   * @param before what must be durable when the seal is: a failure of it is one of the store
   * @param outputs what is kept for later requests when it is sealed, and not kept when a required field is missing
   * @throws {GatewayError} `evidence-unavailable` when the signer or the store fails, when the run is sealed already, or
   *   when a required field is missing. The output must be withheld; the reconciler closes the run
   */
  seal(
    predicate: RunPredicate,
    required: readonly ObservabilityField[],
    before?: () => Promise<void>,
    outputs?: () => Promise<KeptOutputs>,
  ): Promise<Sealed>;
  /**
   * Signs and stores a decision that let nothing run, intent and seal at once. Under a flood many share one statement.
   *
   * @returns `run`: whose manifest carries the decision
   * @throws {GatewayError} `evidence-unavailable`
   */
  refuse(predicate: RunPredicate): Promise<RefusedSealed>;
  /**
   * Signs and logs what an operator does, before it takes effect: what can not be recorded is not done. It is kept as a
   * run of {@link OPERATOR}, whom no caller can be.
   *
   * @throws {GatewayError} `evidence-unavailable`
   */
  act(action: ActionPredicate): Promise<Sealed>;
  /**
   * Writes the manifest of a sealed run, with the proof that the log has it.
   *
   * @param cosigned a checkpoint of this log that witnesses cosigned: when it covers the seal, the proof leads to it
   * @returns JSON text, the same that `seal` gave but for that
   * @throws {GatewayError} `evidence-unavailable`
   */
  manifest(seal: NonNullable<RunRow["seal"]>, cosigned?: string): Promise<string>;
  /** The newest checkpoint that enough witnesses cosigned; undefined when there is none, or nobody is asked. */
  cosigned(): string | undefined;
  /** The same as an object, with its receipt: what `seal` gave. @throws {GatewayError} `evidence-unavailable` */
  release(seal: NonNullable<RunRow["seal"]>): Promise<Sealed>;
  /**
   * The log's newest checkpoint: it covers every run that is sealed by now. With witnesses: the newest that enough of
   * them cosigned, a second or so behind, for as long as they do.
   *
   * @throws {GatewayError} `evidence-unavailable`
   */
  checkpoint(): Promise<string>;
  /**
   * Seals open runs: those whose seal failed here, with what they did; those admitted before `admittedBeforeMs`, as
   * `indeterminate`. At start-up give `Infinity`: of a store with one gateway, every open run is a dead gateway's. Later
   * give a moment that no run under way was admitted before; a run sealed under its own feet is not answered.
   *
   * @throws {GatewayError} `evidence-unavailable` when the open runs can not be read
   */
  reconcile(admittedBeforeMs: number): Promise<Reconciled>;
  /** Whether enough witnesses cosign in time; undefined when nobody is asked. */
  witnessed(): boolean | undefined;
  /** Asks the witnesses again and again, if there are any. @returns stops it, and waits for the round under way */
  watchWitnesses(everyMs: number): () => Promise<void>;
  /**
   * Reconciles again and again, so that what failed while the store was away is sealed once it is back.
   *
   * @param options `everyMs`: pause between rounds; `graceMs`: how long after its time to live an open run is taken for
   *   dead, more than the clocks of two gateways differ; `onError`: told of rounds that failed or left runs open
   * @returns stops it, and waits for the round under way
   */
  watch(options: {
    readonly everyMs: number;
    readonly graceMs: number;
    readonly onError: (error: unknown) => void;
  }): () => Promise<void>;
}

/** Creates the evidence of one gateway. */
export function createEvidence(parts: EvidenceParts): Evidence {
  const { store, clock, time = clock } = parts;
  const checkpoints = new Checkpoints(parts.noteSigner);
  const sealing = { signer: parts.signer, checkpoints, sha256: parts.sha256 ?? sha256Bytes };
  const witnessing =
    parts.witnesses === undefined
      ? undefined
      : new Witnessing({ ...parts.witnesses, store, checkpoints, clock, verify: parts.witnesses.verify });
  /** Runs that this process let begin and has not sealed, and when they began by the clock that does not jump. */
  const underWay = new Map<string, number>();
  const denials = new Denials(clock, async (predicate) => {
    const nowMs = clock.nowMs();
    const { seal, release } = await signPredicate(predicate, sealing, nowMs);
    return await release(await store.recordRefusal(toIntent(predicate, nowMs), seal));
  });
  const reconciler = new Reconciler({ store, clock, sealing, settle: parts.settle });
  return {
    mayAdmit: () => witnessing?.mayRun !== false && store.isWritable(),

    async admit(known, claims, taken) {
      if (witnessing?.mayRun === false) {
        throw unavailable(
          `Cannot admit run ${JSON.stringify(known.run)}: too few witnesses cosign the log`,
          witnessing.lastError,
        );
      }
      const intent = toIntent(known, time.nowMs());
      underWay.set(known.run, clock.monotonicMs());
      try {
        const claimed = await store.recordIntent(intent, claims, taken);
        if (claimed.kind === "refused") underWay.delete(known.run);
        return claimed;
      } catch (cause) {
        underWay.delete(known.run);
        // It may be stored all the same. Then the statement about it can still say that nothing came of it.
        reconciler.keep({ ...known, ...unknownEnd("not-started", clock.nowMs()) });
        throw unavailable(
          `Cannot record intent of run ${JSON.stringify(known.run)}: the store failed`,
          cause,
        );
      }
    },

    async syncIntent(run) {
      try {
        await store.syncIntent(run);
      } catch (cause) {
        throw unavailable(`Cannot sync intent of run ${JSON.stringify(run)}: the store failed`, cause);
      }
    },

    async seal(predicate, required, before = async () => undefined, outputs = async () => ({})) {
      const run = JSON.stringify(predicate.run);
      const missing = missingFields(predicate, required);
      if (missing.length > 0) {
        underWay.delete(predicate.run);
        reconciler.keep(predicate);
        throw unavailable(`Cannot seal run ${run}: the policy requires ${missing.join(", ")}`);
      }
      let kept: KeptOutputs | undefined;
      try {
        await before();
        const keeping = outputs().then((made) => {
          kept = made;
          return made;
        });
        return await reconciler.seal(predicate, keeping);
      } catch (cause) {
        reconciler.keep(predicate, kept);
        throw unavailable(`Cannot seal run ${run}: signer or store failed`, cause);
      } finally {
        underWay.delete(predicate.run);
      }
    },

    async refuse(predicate) {
      try {
        return await denials.refuse(predicate);
      } catch (cause) {
        throw unavailable(
          `Cannot record refusal ${JSON.stringify(predicate.run)}: signer or store failed`,
          cause,
        );
      }
    },

    async act(action) {
      const nowMs = clock.nowMs();
      const { action: run, kind } = action;
      const intent: Intent = {
        run,
        tenant: OPERATOR,
        tool: "",
        function: kind,
        admittedAtMs: nowMs,
        predicate: JSON.stringify(action),
      };
      try {
        const { seal, release } = await signAction(action, sealing, nowMs);
        return await release(await store.recordRefusal(intent, seal));
      } catch (cause) {
        throw unavailable(`Cannot record action ${JSON.stringify(run)}: signer or store failed`, cause);
      }
    },

    async manifest(seal, cosigned) {
      try {
        const size = sizeOf(cosigned);
        if (cosigned === undefined || size <= seal.sequence)
          return await writeManifest(seal, await store.prove(seal.sequence), checkpoints);
        return await writeManifest(seal, await store.prove(seal.sequence, size), checkpoints, cosigned);
      } catch (cause) {
        throw unavailable(
          `Cannot show manifest of run ${JSON.stringify(seal.run)}: no proof can be made`,
          cause,
        );
      }
    },

    async release(seal) {
      try {
        return await releaseAgain(seal, await store.prove(seal.sequence), checkpoints);
      } catch (cause) {
        throw unavailable(
          `Cannot show manifest of run ${JSON.stringify(seal.run)}: no proof can be made`,
          cause,
        );
      }
    },

    cosigned: () => witnessing?.note,

    async checkpoint() {
      try {
        return witnessing?.note ?? (await checkpoints.of(await store.logHead())).note;
      } catch (cause) {
        throw unavailable("Cannot show checkpoint: signer or store failed", cause);
      }
    },

    async reconcile(admittedBeforeMs) {
      try {
        return await reconciler.reconcile(({ admittedAtMs }) => admittedAtMs < admittedBeforeMs);
      } catch (cause) {
        throw unavailable("Cannot reconcile: the open runs can not be read", cause);
      }
    },

    witnessed: () => witnessing?.isMet,

    watchWitnesses(everyMs) {
      if (witnessing === undefined) return async () => undefined;
      const onError = (error: unknown) => {
        witnessing.lastError = error;
      };
      return beginRounds({
        ...{ clock, everyMs: () => everyMs, atOnce: true, work: () => witnessing.ask(), onError },
      });
    },

    watch({ everyMs, graceMs, onError }) {
      const work = async (): Promise<void> => {
        const [nowMs, monotonicMs] = [time.nowMs(), clock.monotonicMs()];
        const { failed, error } = await reconciler.reconcile((intent) => {
          const mostMs = timeToLive(intent, LONGEST_RUN_MS) + graceMs;
          // The wall clock may have jumped; what this process let run lives by the one that does not.
          const ageMs = monotonicMs - (underWay.get(intent.run) ?? Number.NEGATIVE_INFINITY);
          return intent.admittedAtMs < nowMs - mostMs && ageMs >= mostMs;
        });
        if (failed > 0) onError(error);
      };
      return beginRounds({ clock, everyMs: () => everyMs, work, onError });
    },
  };
}

/** No policy gives a run more time. */
const LONGEST_RUN_MS = 600_000;

function toIntent(known: KnownBeforeRun, admittedAtMs: number): Intent {
  const { run, tenant, tool } = known;
  return { run, tenant, tool, function: known.function, admittedAtMs, predicate: JSON.stringify(known) };
}

/** A caller that is told 503 comes back; five seconds is what a failed-over store or signer usually takes. */
function unavailable(message: string, cause?: unknown): GatewayError {
  return new GatewayError(message, { code: "evidence-unavailable", retryAfterSeconds: 5 }, { cause });
}

/** Entries that a checkpoint covers; 0 when it is none. */
function sizeOf(note: string | undefined): number {
  const text = note === undefined ? undefined : parseNote(note)?.text;
  return Number(parseCheckpoint(text ?? "")?.size ?? 0);
}
