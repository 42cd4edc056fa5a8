/** The gateway's own requests, through the same door as every guest's. */
import type {
  Clock,
  Outgoing,
  OutgoingAnswer,
  OutgoingCredentials,
  OutgoingOptions,
  Resolver,
} from "../ports/index.ts";
import {
  createEgress,
  type Header,
  parseBlock,
  parseProxy,
  permitRequest,
  type TlsOptions,
} from "./egress/index.ts";

/** What the head of an answer may take. */
const HEAD_BYTES = 16 * 1024;
/** Largest piece that is read at once. */
const PIECE_BYTES = 16 * 1024;

/** What is sent, beside where to. */
interface Sent {
  readonly method: "GET" | "POST";
  readonly headers: readonly Header[];
  readonly body: Uint8Array;
}

function tlsOf({ authorities = [], client }: OutgoingCredentials): TlsOptions {
  return {
    ...(authorities.length === 0 ? {} : { extraAuthorities: authorities }),
    ...(client === undefined ? {} : { client }),
  };
}

/**
 * @param parts `proxy`: URL of the operator's outgoing proxy; absent = none
 * @returns sends what the operator's configuration names
 */
export function createOutgoing({
  clock,
  resolver,
  proxy,
}: {
  readonly clock: Clock;
  readonly resolver: Resolver;
  readonly proxy?: string;
}): Outgoing {
  const egress = createEgress({
    clock,
    resolver,
    ...(proxy === undefined ? {} : { proxy: parseProxy(proxy) }),
  });

  async function send(
    url: string,
    { method, headers, body }: Sent,
    { timeoutMs, maxBytes, allowAddresses, credentials = {} }: OutgoingOptions,
  ): Promise<OutgoingAnswer> {
    const { protocol, host, hostname, port, pathname, search } = new URL(url);
    const scheme = protocol === "https:" ? "https" : "http";
    const rule = {
      scheme,
      host: hostname.replace(/^\[|\]$/g, ""),
      port: port === "" ? (scheme === "https" ? 443 : 80) : Number(port),
      methods: [method],
      paths: [pathname],
    } as const;
    const pathWithQuery = method === "GET" ? `${pathname}${search}` : pathname;
    const permit = permitRequest([rule], { method, scheme, authority: host, pathWithQuery });
    if (permit.kind === "denied") throw new TypeError(`Cannot send to ${url}: ${permit.clause}`);
    const ended = new AbortController();
    const cancel = clock.after(timeoutMs, () => ended.abort(new Error(`No answer within ${timeoutMs} ms`)));
    let left = maxBytes + HEAD_BYTES;
    const received = (bytes: number) => {
      left -= bytes;
      return left >= 0;
    };
    try {
      const response = await egress.send({
        permit,
        headers: [...headers, ...(credentials.headers ?? []).map(([name, value]): Header => [name, value])],
        body,
        open: allowAddresses.map(parseBlock),
        meter: { sent: () => true, received },
        signal: ended.signal,
        tls: tlsOf(credentials),
      });
      try {
        let text = "";
        const decoder = new TextDecoder();
        for (let pieces = await response.read(PIECE_BYTES); pieces; pieces = await response.read(PIECE_BYTES))
          for (const piece of pieces) text += decoder.decode(piece, { stream: true });
        return { status: response.status, text };
      } finally {
        response.close();
      }
    } finally {
      cancel();
    }
  }

  return {
    post(url, body, { contentType = "text/plain", headers = [], ...options }) {
      const said: Header[] = [
        ["content-type", contentType],
        ...headers.map(([name, value]): Header => [name, value]),
      ];
      return send(url, { method: "POST", headers: said, body: new TextEncoder().encode(body) }, options);
    },
    get: (url, options) =>
      send(
        url,
        { method: "GET", headers: [["accept", "application/json"]], body: new Uint8Array() },
        options,
      ),
  };
}
