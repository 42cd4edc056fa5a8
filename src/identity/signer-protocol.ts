/**
 * What gateway and signing process say to each other: one JSON object per line, each with the number of what it
 * answers. Both sides read the other's words as hostile.
 */
import { z } from "zod";
import { decodeBase64, encodeBase64, parseStrictJson } from "../core/manifest/index.ts";
import type { LocalSocket, PublicKey } from "../ports/index.ts";

/** Longer lines end the connection. The largest statement that is signed is 8 MiB, as base64. */
const MAX_LINE_BYTES = 12 * 1024 * 1024;

const id = z.int().nonnegative();
const kind = z.enum(["manifest", "checkpoint"]);

/** Which of the gateway's two kinds of key. */
export type SignerKind = z.infer<typeof kind>;

/** What the gateway asks. */
export const RequestSchema = z.discriminatedUnion("ask", [
  z.strictObject({ id, ask: z.literal("keys"), kind }),
  z.strictObject({ id, ask: z.literal("sign"), kind, bytes: z.base64() }),
]);

/** A request, read. */
export type SignerRequest = z.infer<typeof RequestSchema>;

const key = z.strictObject({
  keyId: z.string(),
  spki: z.base64(),
  validFromMs: z.int().nonnegative(),
  validUntilMs: z.int().nonnegative().exactOptional(),
});

/** What the signing process answers. */
export const ReplySchema = z.union([
  z.strictObject({ id, keys: z.array(key).min(1) }),
  z.strictObject({ id, signature: z.base64(), key }),
  z.strictObject({ id, refused: z.string() }),
]);

/** A reply, read. */
export type SignerReply = z.infer<typeof ReplySchema>;

/** Writes one message. @throws when the other side is gone */
export async function send(socket: LocalSocket, message: SignerRequest | SignerReply): Promise<void> {
  await socket.write(new TextEncoder().encode(`${JSON.stringify(message)}\n`));
}

/**
 * Reads messages until the connection ends.
 *
 * @param schema what is expected; anything else ends the reading, because who says it is not who we think
 */
export async function* receive<T>(socket: LocalSocket, schema: z.ZodType<T>): AsyncGenerator<T> {
  let held: Uint8Array[] = [];
  let heldBytes = 0;
  for await (const chunk of socket.input) {
    let from = 0;
    for (let end = chunk.indexOf(0x0a); end >= 0; end = chunk.indexOf(0x0a, from)) {
      const read = parse(join([...held, chunk.subarray(from, end)]), schema);
      if (read === undefined) return;
      yield read;
      [held, heldBytes, from] = [[], 0, end + 1];
    }
    held.push(chunk.subarray(from));
    heldBytes += chunk.length - from;
    if (heldBytes > MAX_LINE_BYTES) return;
  }
}

/** A public key as it is written. */
export function writeKey({ keyId, spki, validFromMs, validUntilMs }: PublicKey): z.infer<typeof key> {
  const until = validUntilMs === undefined ? {} : { validUntilMs };
  return { keyId, spki: encodeBase64(spki), validFromMs, ...until };
}

/** A public key as it was read. */
export function readKey({ spki, ...rest }: z.infer<typeof key>): PublicKey {
  return { ...rest, spki: decodeBase64(spki) ?? new Uint8Array() };
}

function parse<T>(line: Uint8Array, schema: z.ZodType<T>): T | undefined {
  const json = parseStrictJson(line);
  const read = json.ok ? schema.safeParse(json.value) : undefined;
  return read?.success ? read.data : undefined;
}

function join(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
