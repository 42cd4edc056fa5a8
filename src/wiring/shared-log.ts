/**
 * One log, many gateways: what all of them must say alike, because callers verify what one of them signed with the keys
 * that another publishes. The first gateway on a database says it, and the others are held to it.
 */

import type { PublicKey } from "../ports/index.ts";
import type { House } from "./house.ts";

/**
 * Joins the gateways of a database, or is the first.
 *
 * @throws {Error} when this gateway signs with keys that the others do not publish, or another log's name
 */
export async function joinLog({ store, signer, noteSigner }: House): Promise<void> {
  const origin = await store.claim("log-origin", noteSigner.origin);
  if (origin !== noteSigner.origin) {
    throw new Error(
      `Cannot join the database: its log is ${JSON.stringify(origin)}, and this gateway's would be ${JSON.stringify(noteSigner.origin)}; start it with --log-origin ${origin}`,
    );
  }
  for (const [name, keys] of [
    ["manifest-key", await signer.keys()],
    ["checkpoint-key", await noteSigner.keys()],
  ] as const) {
    await requireSameKeys(name, keys, (keyId) => store.claim(name, keyId));
  }
}

async function requireSameKeys(
  name: string,
  keys: readonly PublicKey[],
  claim: (keyId: string) => Promise<string>,
): Promise<void> {
  // The oldest: it stays in the ring, whatever was rotated since.
  const own = keys.at(-1)?.keyId ?? "";
  const claimed = await claim(own);
  if (keys.some(({ keyId }) => keyId === claimed)) return;
  throw new Error(
    `Cannot join the database: the ${name} of its gateways is ${claimed}, and this gateway has ${own}; give all of them the same keys, by --keys or by --signer`,
  );
}

/**
 * Whether this gateway is the one of all that may do something that is to be done once.
 *
 * A crash right behind it leaves the thing undone for good: for what an operator can do by hand.
 */
export async function isFirst(
  { store }: Pick<House, "store">,
  name: string,
  gateway: string,
): Promise<boolean> {
  return (await store.claim(name, gateway)) === gateway;
}
