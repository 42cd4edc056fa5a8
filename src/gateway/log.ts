/** The log as the public sees it: checkpoints, tiles, and the document that says which key signs them. */
import { GatewayError } from "../core/errors.ts";
import { encodeBase64, encodeTrustedRoot } from "../core/manifest/index.ts";
import { type Bytes, encodeEntries, type TileName } from "../core/merkle/index.ts";
import type { NoteSigner, Store } from "../ports/index.ts";

/**
 * Reads one file of the log.
 *
 * @returns undefined when the log does not have all of it yet
 * @throws {GatewayError} `evidence-unavailable` when the store can not be read
 */
export async function readTile(
  store: Pick<Store, "logTile" | "logEntries">,
  { level, index, width }: TileName,
): Promise<Bytes | undefined> {
  try {
    if (level !== "entries") return await store.logTile(level, index, width);
    const entries = await store.logEntries(index, width);
    return entries && encodeEntries(entries.map((entry) => new TextEncoder().encode(entry)));
  } catch (cause) {
    throw new GatewayError(
      `Cannot read tile ${level}/${index} of the log: the store failed`,
      { code: "evidence-unavailable", retryAfterSeconds: 5 },
      { cause },
    );
  }
}

/** @returns JSON text of a Sigstore trusted root that names the log, under each of its keys @throws {GatewayError} */
export async function writeTrustedRoot(signer: NoteSigner): Promise<string> {
  const { origin } = signer;
  const logs = (await signer.keys()).map(({ keyId: _, spki, ...validity }) => ({
    origin,
    spki: encodeBase64(spki),
    ...validity,
  }));
  return encodeTrustedRoot(logs, (atMs) => new Date(atMs).toISOString());
}
