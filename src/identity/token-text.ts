/**
 * A token's text before anything in it is believed: its form, and the few words by which the key that must have signed it
 * is looked up. Everything here is attacker-controlled; there is one spelling for each token, and no parameter of the
 * header can bring a key, name a place to fetch one from, or change what is signed.
 */
import { z } from "zod";
import { decodeBase64Url, parseStrictJson } from "../core/manifest/index.ts";

/** Longer tokens are refused unread. */
export const MAX_TOKEN_LETTERS = 8192;
const MAX_HEADER_LETTERS = 1024;

/** What is read of a token in order to verify it. */
export interface TokenText {
  readonly text: string;
  readonly alg: string;
  readonly kid: string;
  /** Who says to have issued it: chooses among the operator's issuers, and proves nothing. */
  readonly iss: string;
}

/**
 * The parameters that a header may have. A list of what is allowed: `jku`, `x5u`, `jwk` and `x5c` bring keys, `crit` and
 * `b64` change the rules, `zip` and `cty` say that something else is inside.
 */
const headerShape = z.strictObject({
  alg: z.string().min(1).max(16),
  kid: visible(256),
  typ: z.string().max(64).optional(),
  // A fingerprint of the certificate: looked at by nobody, and sent by several issuers.
  x5t: z.string().max(256).optional(),
  "x5t#S256": z.string().max(256).optional(),
});

const issShape = z.looseObject({ iss: visible(2048) });

/**
 * Reads a token's text.
 *
 * @param text as it stood behind `Bearer`
 * @returns undefined when it is no signed token in compact form (RFC 7515 section 7.1), or one with a trick in it
 */
export function readTokenText(text: string): TokenText | undefined {
  if (text.length > MAX_TOKEN_LETTERS) return undefined;
  const [head = "", body = "", signature = "", ...rest] = text.split(".");
  if (rest.length > 0 || signature === "" || head.length > MAX_HEADER_LETTERS) return undefined;
  if (decodeBase64Url(signature) === undefined) return undefined;
  const header = headerShape.safeParse(readPart(head));
  const claims = issShape.safeParse(readPart(body));
  if (!header.success || !claims.success) return undefined;
  return { text, alg: header.data.alg, kid: header.data.kid, iss: claims.data.iss };
}

/** The claims of a token that was verified: the same bytes, read without twins among the keys. */
export function readClaims({ text }: TokenText): unknown {
  return readPart(text.split(".")[1] ?? "");
}

function readPart(part: string): unknown {
  const bytes = decodeBase64Url(part);
  const json = bytes && parseStrictJson(bytes);
  return json?.ok === true ? json.value : undefined;
}

/** ASCII that can be seen, and the space within: it is logged, signed, and compared by people. */
function visible(most: number) {
  return z
    .string()
    .max(most)
    .regex(/^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/);
}
