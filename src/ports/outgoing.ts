/** Requests of the gateway itself, to places that its operator named. Guests' requests go another way. */
export interface Outgoing {
  /**
   * Posts text, plain unless it is said to be something else. Goes through the same checks as every request: strict URL, every address judged, no redirects.
   *
   * @throws when there is no answer, or a longer one
   */
  post(url: string, body: string, options: OutgoingOptions & OutgoingBody): Promise<OutgoingAnswer>;
  /**
   * Reads a document, by the same checks; the URL's query goes along.
   *
   * @throws when there is no answer, or a longer one
   */
  get(url: string, options: OutgoingOptions): Promise<OutgoingAnswer>;
}

/** What is said of a body. */
export interface OutgoingBody {
  /** Default `text/plain`. */
  readonly contentType?: string;
  /** Sent beside it. Not from strangers: names and values are the gateway's own. */
  readonly headers?: readonly (readonly [name: string, value: string])[];
}

/** How far one request may go. */
export interface OutgoingOptions {
  readonly timeoutMs: number;
  /** Of the answer's body. */
  readonly maxBytes: number;
  /** CIDR blocks that the operator opened for it. */
  readonly allowAddresses: readonly string[];
  readonly credentials?: OutgoingCredentials;
}

/** As whom the gateway asks, and whom it believes; default: as nobody, and the public authorities alone. */
export interface OutgoingCredentials {
  /** Headers with a secret; a body's own come beside them. */
  readonly headers?: readonly (readonly [name: string, value: string])[];
  /** PEM of private authorities that may vouch for the far end, beside the public ones. */
  readonly authorities?: readonly string[];
  /** Certificate and key in PEM, shown to a far end that asks for one. */
  readonly client?: { readonly certificate: string; readonly key: string };
}

/** An answer, read whole. */
export interface OutgoingAnswer {
  readonly status: number;
  readonly text: string;
}
