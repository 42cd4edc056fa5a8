/**
 * The `Idempotency-Key` request header.
 *
 * @see https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/
 */
import { refuse } from "./invocation.ts";

/** A key, or one in the quotes that the draft wants. No comma: two headers arrive joined by one. */
const FORMAT = /^(?:([\x21\x23-\x2b\x2d-\x7e]{1,128})|"([\x20\x21\x23-\x2b\x2d-\x5b\x5d-\x7e]{1,128})")$/;

/**
 * Reads an idempotency key. Attacker-controlled; only its hash is ever kept.
 *
 * @param header as sent
 * @returns the key without quotes; undefined when there is none
 * @throws {GatewayError} `invalid-request` when it is there and no key: ignoring it would let a write happen twice
 */
export function readIdempotencyKey(header: string | undefined): string | undefined {
  if (header === undefined) return undefined;
  const [, bare, quoted] = FORMAT.exec(header) ?? [];
  const key = bare ?? quoted;
  if (key !== undefined) return key;
  const detail = "header idempotency-key: has to be one key of 1 to 128 visible characters, quoted or not";
  throw refuse([{ pointer: "", detail }]);
}
