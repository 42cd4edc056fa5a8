/** Building responses: the one place that knows which headers every answer carries. */

/** On everything that leaves: nothing is sniffed, framed, referred from, or run as a page. */
const ALWAYS = {
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-resource-policy": "same-origin",
} as const;

/** For answers that are data: should a browser show one as a page after all, it may load and run nothing. */
const DATA_POLICY = "default-src 'none'; frame-ancestors 'none'";

/** For our own pages, which have no scripts: the style sheet and the icon, nothing else. */
const PAGE_POLICY =
  "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** Extra headers of one answer. */
export type ExtraHeaders = Readonly<Record<string, string>>;

/**
 * Answers with JSON that belongs to one caller: never stored by anything between.
 *
 * @param body a value that `JSON.stringify` writes
 * @param headers `content-type` and `cache-control` may be replaced
 */
export function answerJson(body: object, status = 200, headers: ExtraHeaders = {}): Response {
  return answerText(JSON.stringify(body), status, headers);
}

/** As {@link answerJson}, for JSON that is text already: its bytes are not touched. */
export function answerText(body: string, status = 200, headers: ExtraHeaders = {}): Response {
  return new Response(body, {
    status,
    headers: {
      ...ALWAYS,
      "content-type": "application/json",
      "content-security-policy": DATA_POLICY,
      "cache-control": "no-store",
      ...headers,
    },
  });
}

/** Answers with bytes that are the same for everybody. */
export function answerBytes(body: Uint8Array<ArrayBuffer>, headers: ExtraHeaders): Response {
  return new Response(body, { headers: { ...ALWAYS, "content-security-policy": DATA_POLICY, ...headers } });
}

/** Answers with a document that is the same for everybody, and may be kept for five minutes. */
export function answerPublic(body: string, contentType: string, headers: ExtraHeaders = {}): Response {
  return answerText(body, 200, { "content-type": contentType, "cache-control": "max-age=300", ...headers });
}

/** Answers with one of our own pages. */
export function answerPage(html: string, headers: ExtraHeaders = {}): Response {
  return answerPublic(html, "text/html; charset=utf-8", {
    "content-security-policy": PAGE_POLICY,
    ...headers,
  });
}
