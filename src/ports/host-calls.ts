/**
 * What a run may ask of the broker: the vocabulary of the pipe between executor and gateway.
 *
 * The executor is assumed compromised. Every call is parsed as hostile, checked against the run's grants and
 * charged to its lease by the broker, whatever the executor says about itself.
 */
import type { InputTrace } from "../core/journal/index.ts";
import type { Outcome, RunEvent } from "../core/manifest/index.ts";
import type { JsonValue } from "../core/policy/index.ts";

/** One call: a name, arguments as JSON, and optionally bytes. */
export interface HostCall {
  /** `http-client/send`, `http-client/push`, `http-client/abort`, `http-client/read`, `http-client/close`, `log/write`, `stdio/write`, `secrets/open`, `keyvalue/get`, `sockets/connect` …, `refused/called`. */
  readonly name: string;
  readonly args: JsonValue;
  readonly body: Uint8Array;
  /** What the run had spent by then, as the executor says: for the journal, and for nothing that decides. */
  readonly fuelUsed?: number;
  /** Of a noted run: what reached the guest since its last call. */
  readonly trace?: InputTrace;
  /** Span of the call, 16 hex digits, where somebody watches: said by the gateway and by no executor. */
  readonly spanId?: string;
}

/** The broker's reply. */
export type HostReply =
  /** Done. */
  | {
      readonly kind: "ok";
      readonly value: JsonValue;
      readonly body?: Uint8Array;
      /** In place of `body`: its bytes as they came, not joined. To join what is written once costs as much as to write it. */
      readonly pieces?: readonly Uint8Array[];
      /**
       * Called by whoever has written or copied the bytes, once, and may be left out: from then on their place is used for
       * others.
       */
      readonly done?: () => void;
    }
  /** A typed refusal or failure that the guest sees as its interface's own error; `error` is a word of that interface. */
  | { readonly kind: "error"; readonly error: JsonValue }
  /** The run is over: a budget is spent, or it was revoked. The executor stops the guest by a real trap. */
  | { readonly kind: "stop"; readonly outcome: Outcome };

/** What the broker counted for one run. */
export interface Usage {
  readonly egress_bytes: number;
  readonly requests: number;
  readonly log_bytes: number;
}

/** The broker's side of one run: the grants made live. Opened before the run, closed after it whatever happened. */
export interface RunHost {
  /** Serves one call. Never throws for anything the guest did; a throw is a bug and revokes the run. */
  call(call: HostCall): Promise<HostReply>;
  /**
   * Looks for secrets in what is about to be released, and overwrites them. Absent = there are none to look for.
   *
   * @returns the output to release, the same object where nothing was found; `withheld` when the policy revokes a run that gives a secret away
   */
  release?(output: JsonValue): { readonly output: JsonValue; readonly withheld: boolean };
  /** Ends every request still under way and forgets every handle. Idempotent. */
  close(): void;
  /** Events so far, in order, without gaps. */
  readonly events: readonly RunEvent[];
  readonly usage: Usage;
  /** The first denial, if any: it decides between `failed` and `denied-import`. */
  readonly denial: { readonly import: string; readonly target: string } | undefined;
  /** Captured stdout, stderr and log entries, for the operator's diagnostics; bounded by the log budget. */
  readonly diagnostics: readonly { readonly stream: "log" | "stdout" | "stderr"; readonly text: string }[];
}

/** Arguments of `http-client/send`; the request's body travels beside them, whole or its beginning. */
export interface HttpSendArgs {
  readonly method: string;
  readonly scheme: "http" | "https";
  /** As the guest gave it: host, optional port. Attacker-controlled. */
  readonly authority: string;
  /** Path and query, beginning with `/`. */
  readonly pathWithQuery: string;
  /** Values are latin-1 text: one character per byte. */
  readonly headers: readonly (readonly [string, string])[];
  readonly connectTimeoutMs?: number;
  readonly firstByteTimeoutMs?: number;
  readonly betweenBytesTimeoutMs?: number;
  /**
   * A number of the executor's choosing: the bytes beside it are the body's beginning, and the rest comes by
   * `http-client/push { stream, end }`. Absent = they are all of it.
   */
  readonly stream?: number;
  /** Most bytes of the response's body that may travel beside its head, if they are there already; default 0. */
  readonly beginBytes?: number;
}

/** Value of a successful `http-client/send`; what has arrived of the body may travel beside it. */
export interface HttpSendValue extends Partial<HttpReadValue> {
  readonly status: number;
  readonly headers: readonly (readonly [string, string])[];
  /** Handle of the body, for `http-client/read` and `/close`. */
  readonly body: number;
}

/** Value of a successful `http-client/read`; the bytes travel beside it. `end` = nothing follows them, and the handle need not be closed. */
export interface HttpReadValue {
  readonly end: boolean;
  /** At the end: fields behind the body. */
  readonly trailers?: readonly (readonly [string, string])[];
}
