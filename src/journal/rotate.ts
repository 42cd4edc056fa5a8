/** Gives what is kept of runs a new master key, while gateways go on with it. */
import type { JournalStore } from "../ports/index.ts";
import { beginRotation, endRotation, type MasterKeyPlace } from "./master-key.ts";
import { Vault } from "./vault.ts";

const PAGE = 200;

/**
 * Makes a new master key, wraps every tenant's key with it, and forgets the one before. Journals themselves stay as they
 * are. When it fails or is killed, both keys are in the file, nothing is lost, and it can be begun again.
 *
 * @param stores all that are kept under this file
 * @param onTenant told of each tenant's key that was seen to
 * @returns how many tenants' keys there are
 * @throws {GatewayError} `evidence-unavailable` naming a tenant whose key no master key opens
 */
export async function rotateMasterKey(
  place: MasterKeyPlace,
  stores: readonly JournalStore[],
  onTenant: (tenant: string) => void,
): Promise<number> {
  await beginRotation(place);
  let count = 0;
  for (const store of stores) {
    const vault = new Vault({ ...place, store });
    for (let after = "", rows = await store.scanKeys(after, PAGE); rows.length > 0; ) {
      for (const row of rows) {
        await vault.rewrap(row);
        onTenant(row.tenant);
        after = row.tenant;
        count += 1;
      }
      rows = await store.scanKeys(after, PAGE);
    }
  }
  await endRotation(place);
  return count;
}
