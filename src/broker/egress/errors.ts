/** Words of `wasi:http/types.error-code`, and what stands behind them. The words are all that a guest learns. */
import type { JsonValue } from "../../core/policy/index.ts";

/** A case of `wasi:http/types@0.2 error-code`, as the WIT spells it; `val` is the case's payload, absent = none. */
export interface ErrorCode {
  readonly tag: ErrorTag;
  readonly val?: JsonValue;
}

/** The cases of `error-code` that the broker gives. */
export type ErrorTag =
  | "DNS-timeout"
  | "DNS-error"
  | "destination-IP-prohibited"
  | "destination-unavailable"
  | "connection-refused"
  | "connection-terminated"
  | "connection-timeout"
  | "connection-read-timeout"
  | "connection-limit-reached"
  | "TLS-protocol-error"
  | "TLS-certificate-error"
  | "HTTP-request-denied"
  | "HTTP-request-method-invalid"
  | "HTTP-request-URI-invalid"
  | "HTTP-request-URI-too-long"
  | "HTTP-request-header-section-size"
  | "HTTP-request-trailer-section-size"
  | "HTTP-response-incomplete"
  | "HTTP-response-header-section-size"
  | "HTTP-response-timeout"
  | "HTTP-upgrade-failed"
  | "HTTP-protocol-error"
  | "internal-error";

/** What the operator would have to change for a prohibited destination: blocks to open, or his own list to shorten. */
export type Barrier =
  | { readonly kind: "closed"; readonly blocks: readonly string[] }
  | { readonly kind: "blocked" };

/** A request that failed, with the word for the guest; `cause` stays with the operator. */
export class EgressFailure extends Error {
  override readonly name = "EgressFailure";
  readonly word: ErrorCode;
  /** Of a `destination-IP-prohibited` whose address could be read. */
  readonly barrier: Barrier | undefined;

  /** @param word what the guest is told */
  constructor(word: ErrorCode, options: { cause?: unknown; barrier?: Barrier } = {}) {
    super(`Request failed: ${word.tag}`, options);
    this.word = word;
    this.barrier = options.barrier;
  }
}

/** The clause that a prohibited destination lacks, as its event says it; undefined when it is nothing of the operator's. */
export function barrierClause(thrown: unknown): string | undefined {
  const barrier = thrown instanceof EgressFailure ? thrown.barrier : undefined;
  if (barrier === undefined) return undefined;
  return barrier.kind === "blocked" ? "egressBlock" : `egressAllow: ${barrier.blocks.join(", ")}`;
}

/** The egress budget is spent: the request was cut, and the run is over. */
export class EgressSpent extends Error {
  override readonly name = "EgressSpent";
}

/** Error codes of the runtimes, of undici and of OpenSSL, by what they mean to a guest. */
const WORDS: readonly (readonly [RegExp, ErrorTag])[] = [
  [/^ECONNREFUSED$/, "connection-refused"],
  [/^(ENETUNREACH|EHOSTUNREACH|EADDRNOTAVAIL|ENETDOWN|EHOSTDOWN|EACCES|EPERM)$/, "destination-unavailable"],
  [/^(ETIMEDOUT|UND_ERR_CONNECT_TIMEOUT)$/, "connection-timeout"],
  [
    /^(ECONNRESET|ECONNABORTED|EPIPE|UND_ERR_SOCKET|ERR_STREAM_PREMATURE_CLOSE|UND_ERR_CLOSED|UND_ERR_DESTROYED)$/,
    "connection-terminated",
  ],
  [/^UND_ERR_HEADERS_OVERFLOW$/, "HTTP-response-header-section-size"],
  [/^UND_ERR_RES_CONTENT_LENGTH_MISMATCH$/, "HTTP-response-incomplete"],
  [/^UND_ERR_INVALID_ARG$/, "HTTP-protocol-error"],
  [/CERT|^UNABLE_TO_|^ERR_TLS_CERT/, "TLS-certificate-error"],
  [/^EPROTO$|^ERR_SSL|^ERR_TLS|^ERR_OSSL/, "TLS-protocol-error"],
];

/**
 * Finds the word for whatever was thrown while a request was under way.
 *
 * @param thrown anything; causes are followed, at most 4 deep
 * @returns `internal-error` when nothing better is known
 */
export function wordOf(thrown: unknown): ErrorCode {
  let error = thrown;
  for (let depth = 0; depth < 4 && error instanceof Error; depth += 1) {
    if (error instanceof EgressFailure) return error.word;
    // Where a code is missing or says too little: undici's parser and upgrades, and Deno's TLS (rustls).
    if (error.name === "HTTPParserError") return { tag: "HTTP-protocol-error" };
    if (/^bad upgrade/i.test(error.message)) return { tag: "HTTP-upgrade-failed" };
    if (/invalid peer certificate|UnknownIssuer/i.test(error.message))
      return { tag: "TLS-certificate-error" };
    const code = "code" in error && typeof error.code === "string" ? error.code : "";
    const found = WORDS.find(([pattern]) => pattern.test(code));
    if (found !== undefined) return { tag: found[1] };
    error = error.cause;
  }
  return { tag: "internal-error" };
}
