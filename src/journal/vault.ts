/**
 * Encrypts what is kept of runs: AES-256-GCM under a key of each tenant's own, those under one master key in a file of
 * the operator's. To erase a tenant is to forget its key; whatever copies of its journals there are say nothing then.
 *
 * Each ciphertext is bound to its tenant and run: one that was moved to another row does not open.
 */

import { toHex } from "../core/digest.ts";
import type { JournalStore, TenantKeyRow } from "../ports/index.ts";
import { type MasterKeyPlace, makeMasterKey, readMasterKeys, unreadable } from "./master-key.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** What a vault is made of: a store, and the master key, which is made when nothing was ever encrypted. */
export interface VaultPowers extends MasterKeyPlace {
  readonly store: Pick<JournalStore, "findKey" | "insertKey" | "hasKeys" | "rewrapKey">;
}

/** A key, ready. */
export interface TenantKey {
  readonly id: string;
  readonly key: CryptoKey;
}

/** Random, beside each ciphertext. A key may be used 2^32 times with random ones; a tenant's journals are fewer. */
const IV_BYTES = 12;
/** Tenants' keys kept unwrapped: unwrapping one is two turns of another thread. */
const MAX_READY = 256;

/** The keys of one data folder. */
export class Vault {
  readonly #powers: VaultPowers;
  /** Keys as they were unwrapped, by tenant. Each use asks the store first: a key that was erased there is none here. */
  readonly #ready = new Map<string, TenantKey>();
  #masters: Promise<readonly [CryptoKey, ...CryptoKey[]]> | undefined;

  constructor(powers: VaultPowers) {
    this.#powers = powers;
  }

  /** The tenant's key, made when it has none. @throws {GatewayError} `evidence-unavailable` */
  async keyOf(tenant: string): Promise<TenantKey> {
    const { store, entropy } = this.#powers;
    const known = await store.findKey(tenant);
    if (known !== undefined) return this.#unwrap(known);
    this.#ready.delete(tenant);
    if (!(await store.hasKeys())) await makeMasterKey(this.#powers);
    const id = toHex(entropy.bytes(16));
    const [master] = await this.#read();
    const wrapped = await seal(entropy, master, entropy.bytes(32), `${tenant} ${id}`);
    const row = await store.insertKey({ tenant, id, wrapped });
    const key = await this.#unwrap(row);
    // A rotation that passed between the reading and the insertion did not see this row, and would lose it.
    await this.rewrap(row);
    return key;
  }

  /** @param place what the ciphertext belongs to: tenant and run */
  async encrypt({ key }: TenantKey, place: string, bytes: Bytes): Promise<Bytes> {
    return seal(this.#powers.entropy, key, bytes, place);
  }

  /**
   * @param keyId the key that it was encrypted with
   * @throws {GatewayError} `evidence-unavailable` when that key is gone, or the ciphertext is not of that place
   */
  async decrypt(tenant: string, keyId: string, place: string, sealed: Bytes): Promise<Bytes> {
    const row = await this.#powers.store.findKey(tenant);
    if (row === undefined) this.#ready.delete(tenant);
    if (row?.id !== keyId) throw unreadable(`the key of tenant ${JSON.stringify(tenant)} was erased`);
    const opened = await open([(await this.#unwrap(row)).key], sealed, place);
    if (opened === undefined) throw unreadable("it was changed, or belongs to another run");
    return opened;
  }

  /**
   * Wraps a tenant's key with the master key that wraps now, if it is wrapped with one before it.
   *
   * @throws {GatewayError} `evidence-unavailable` when no master key opens it
   */
  async rewrap(row: TenantKeyRow): Promise<void> {
    const { store, entropy } = this.#powers;
    const held = (await this.#masters) ?? [];
    const masters = await this.#read();
    const place = `${row.tenant} ${row.id}`;
    if ((await open(masters.slice(0, 1), row.wrapped, place)) !== undefined) return;
    const raw = await open([...masters, ...held], row.wrapped, place);
    if (raw === undefined) throw notWrappedByUs(row);
    // Guarded: whoever else wrapped it anew meanwhile, or erased it, was right.
    await store.rewrapKey(row, await seal(entropy, masters[0], raw, place));
  }

  async #unwrap(row: TenantKeyRow): Promise<TenantKey> {
    const { tenant, id, wrapped } = row;
    const known = this.#ready.get(tenant);
    if (known?.id === id) return known;
    const place = `${tenant} ${id}`;
    // Held from before; a rotation since then shows in a key that they do not open, and is read then.
    const raw =
      (await open(await (this.#masters ?? this.#read()), wrapped, place)) ??
      (await open(await this.#read(), wrapped, place));
    if (raw === undefined) throw notWrappedByUs(row);
    const key = await crypto.subtle.importKey("raw", raw, "AES-GCM", false, ["encrypt", "decrypt"]);
    this.#ready.set(tenant, { id, key });
    const [oldest] = this.#ready.keys();
    if (this.#ready.size > MAX_READY && oldest !== undefined) this.#ready.delete(oldest);
    return { id, key };
  }

  /** From the file. A failure is not held on to. */
  #read(): Promise<readonly [CryptoKey, ...CryptoKey[]]> {
    this.#masters = readMasterKeys(this.#powers).catch((error: unknown) => {
      this.#masters = undefined;
      throw error;
    });
    return this.#masters;
  }
}

async function seal(
  entropy: VaultPowers["entropy"],
  key: CryptoKey,
  bytes: Bytes,
  place: string,
): Promise<Bytes> {
  const iv = entropy.bytes(IV_BYTES);
  const ciphertext = new Uint8Array(await crypto.subtle.encrypt(gcm(iv, place), key, bytes));
  const sealed = new Uint8Array(IV_BYTES + ciphertext.length);
  sealed.set(iv);
  sealed.set(ciphertext, IV_BYTES);
  return sealed;
}

/** @returns undefined when none of the keys opens it */
async function open(keys: readonly CryptoKey[], sealed: Bytes, place: string): Promise<Bytes | undefined> {
  const algorithm = gcm(sealed.slice(0, IV_BYTES), place);
  for (const key of keys) {
    try {
      return new Uint8Array(await crypto.subtle.decrypt(algorithm, key, sealed.slice(IV_BYTES)));
    } catch {
      // Of another key, or changed: the next one says which.
    }
  }
  return undefined;
}

function gcm(iv: Bytes, place: string): AesGcmParams {
  return { name: "AES-GCM", iv, additionalData: new TextEncoder().encode(`writ-journal/1 ${place}`) };
}

function notWrappedByUs({ tenant }: TenantKeyRow): Error {
  return unreadable(
    `the master key is not the one that the key of tenant ${JSON.stringify(tenant)} was wrapped with`,
  );
}
