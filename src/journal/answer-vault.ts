/** Keeps outputs under the same keys as journals: what erases a tenant's journals makes these unreadable too. */
import type { AnswerVault } from "../ports/index.ts";
import { Vault, type VaultPowers } from "./vault.ts";

/** @param powers those of the journals of the same data folder */
export function createAnswerVault(powers: VaultPowers): AnswerVault {
  const vault = new Vault(powers);
  return {
    async seal(tenant, place, text) {
      const key = await vault.keyOf(tenant);
      const bytes = new TextEncoder().encode(text);
      return { keyId: key.id, content: await vault.encrypt(key, placeOf(tenant, place), bytes) };
    },
    async open(tenant, place, { keyId, content }) {
      return new TextDecoder().decode(await vault.decrypt(tenant, keyId, placeOf(tenant, place), content));
    },
  };
}

/** Never that of a journal, whose second part is a run's bare id. */
function placeOf(tenant: string, place: string): string {
  return JSON.stringify([tenant, "kept", place]);
}
