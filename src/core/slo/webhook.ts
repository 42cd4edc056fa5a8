/**
 * Signatures of webhooks, as Standard Webhooks has them: whoever receives one checks with any of its libraries that it is
 * from here, and how old it is.
 *
 * @see https://www.standardwebhooks.com
 */
import { hmac } from "@noble/hashes/hmac.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { decodeBase64, encodeBase64 } from "../base64.ts";

/** @returns the key's bytes; undefined when the text is no secret of at least 24 bytes */
export function readWebhookSecret(text: string): Uint8Array<ArrayBuffer> | undefined {
  const bytes = decodeBase64(text.trim().replace(/^whsec_/, ""));
  return bytes !== undefined && bytes.length >= 24 ? bytes : undefined;
}

/**
 * @param id the same for every attempt at one message, so that it is taken once
 * @returns the headers that go with the body
 */
export function signWebhook(
  secret: Uint8Array,
  { id, atMs, body }: { readonly id: string; readonly atMs: number; readonly body: string },
): readonly (readonly [name: string, value: string])[] {
  const timestamp = String(Math.floor(atMs / 1000));
  const signed = hmac(sha256, secret, new TextEncoder().encode(`${id}.${timestamp}.${body}`));
  return [
    ["webhook-id", id],
    ["webhook-timestamp", timestamp],
    ["webhook-signature", `v1,${encodeBase64(Uint8Array.from(signed))}`],
  ];
}
