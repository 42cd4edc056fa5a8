/** The gateway's own requests, through the same door as every guest's. */
import type { Clock, Outgoing, Resolver } from "../ports/index.ts";
import { createEgress, parseBlock, permitRequest } from "./egress/index.ts";

/** What the head of an answer may take. */
const HEAD_BYTES = 16 * 1024;
/** Largest piece that is read at once. */
const PIECE_BYTES = 16 * 1024;

/** @returns sends what the operator's configuration names */
export function createOutgoing({
  clock,
  resolver,
}: {
  readonly clock: Clock;
  readonly resolver: Resolver;
}): Outgoing {
  const egress = createEgress({ clock, resolver });
  return {
    async post(url, body, { timeoutMs, maxBytes, allowAddresses }) {
      const { protocol, host, hostname, port, pathname } = new URL(url);
      const scheme = protocol === "https:" ? "https" : "http";
      const rule = {
        scheme,
        host: hostname.replace(/^\[|\]$/g, ""),
        port: port === "" ? (scheme === "https" ? 443 : 80) : Number(port),
        methods: ["POST"],
        paths: [pathname],
      } as const;
      const permit = permitRequest([rule], {
        method: "POST",
        scheme,
        authority: host,
        pathWithQuery: pathname,
      });
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
          headers: [["content-type", "text/plain"]],
          body: new TextEncoder().encode(body),
          open: allowAddresses.map(parseBlock),
          meter: { sent: () => true, received },
          signal: ended.signal,
        });
        try {
          let text = "";
          const decoder = new TextDecoder();
          for (let piece = await response.read(PIECE_BYTES); piece; piece = await response.read(PIECE_BYTES))
            text += decoder.decode(piece, { stream: true });
          return { status: response.status, text };
        } finally {
          response.close();
        }
      } finally {
        cancel();
      }
    },
  };
}
