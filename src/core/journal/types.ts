/**
 * The journal of one run: all that it depends on and all that it did, in clear. What is signed of it is its digest;
 * the text itself is kept encrypted, and can be erased without breaking any proof.
 */
import type { Outcome } from "../manifest/types.ts";
import type { JsonValue } from "../policy/types.ts";

/** First member of a journal's first line. */
export const JOURNAL_FORMAT = "writ-journal/1";

/**
 * What reached a guest beside the contents of replies. With those, its component and its command it determines a run
 * entirely. An executor that lies here lies about its own run, whose replay then diverges.
 */
export interface InputTrace {
  /** Readings of its clock, as pairs: ms since the one before, and how many in a row were the same. */
  readonly clock: readonly number[];
  /** In order: `n` = the reply to the run's call n was given to the guest; `-1 - n` = its timer n fired. */
  readonly order: readonly number[];
}

/** What a run depends on beside its component, its input and the replies to its calls. */
export interface RunInputs {
  /** Of its random numbers: 64 hex digits. */
  readonly seed: string;
  /** Wall clock at the start of its own clock. */
  readonly wallMs: number;
  /** What it was told that it has. */
  readonly timeToLiveMs: number;
  /**
   * Noted: what reached it after its last call; absent when the executor had to be killed, or died. Replayed: all that
   * reached it.
   */
  readonly trace?: InputTrace;
}

/** What a guest was given to read without a call. */
export interface JournaledSettings {
  readonly environment: readonly (readonly [name: string, value: string])[];
  readonly arguments: readonly string[];
  readonly config: readonly (readonly [key: string, value: string])[];
  /** Directories it found open; what is in those of the broker came as replies. */
  readonly roots: readonly {
    readonly path: string;
    readonly kind: "scratch" | "mount" | "volume";
    readonly bytes: number;
  }[];
}

/** What is known before the run. */
export interface JournalHead {
  /** `full`: the run can be replayed. `kept`: input or output alone, as far as the policy asks to keep them. */
  readonly kind: "full" | "kept";
  readonly run: string;
  readonly tenant: string;
  readonly tool: string;
  /** Key, `interface/function`. */
  readonly function: string;
  readonly purpose: string;
  readonly traceId: string;
  /** `sha256:<hex>` of the component. */
  readonly artifactHash: string;
  readonly policyId: string;
  readonly costTable: string;
  /** What the run had; `outputBytes` bounds the output's JSON text. */
  readonly limits: { readonly fuel: number; readonly memoryBytes: number; readonly outputBytes: number };
  /** Environment, arguments and config that it was given; absent: none. */
  readonly settings?: JournaledSettings;
  /** Random: without it a digest would tell an erased journal's content to whoever can guess it. */
  readonly salt: string;
  /** Absent: not kept. */
  readonly input?: JsonValue;
}

/** The broker's reply to a call, as the guest was given it. */
export type JournaledReply =
  | { readonly kind: "ok"; readonly value: JsonValue; readonly body?: Uint8Array }
  | { readonly kind: "error"; readonly error: JsonValue }
  | { readonly kind: "stop"; readonly outcome: Outcome };

/** One call of the run to its host, as it crossed the pipe. */
export interface JournaledCall {
  readonly name: string;
  readonly args: JsonValue;
  readonly body: Uint8Array;
  /** Fuel that the run had spent by then. */
  readonly fuelUsed: number;
  /** What reached the guest since the call before. */
  readonly trace: InputTrace;
  /** Absent: the run ended first. */
  readonly reply?: JournaledReply;
}

/** How the run ended. */
export interface JournalEnd {
  readonly outcome: Outcome;
  /** Absent: there was none, or it is not kept. */
  readonly output?: JsonValue;
  /** `sha256:<hex>` of the canonical JSON that the guest returned, where it was not given out as it was: a secret was in it. */
  readonly returnedHash?: string;
  /** Null when the executor was killed, or died: then the journal ends at the last call. */
  readonly fuelUsed: number | null;
  readonly memoryPeakBytes: number | null;
  /** The first denial that the broker saw: it decides between `failed` and `denied-import`. */
  readonly denial?: { readonly import: string; readonly target: string };
  /** Absent when nothing ran. */
  readonly inputs?: RunInputs;
}

/** A journal, read. */
export interface Journal {
  readonly head: JournalHead;
  readonly calls: readonly JournaledCall[];
  readonly end: JournalEnd;
}
