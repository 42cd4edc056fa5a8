/**
 * Encrypts what is kept of runs: AES-256-GCM under a key of each tenant's own, those under one master key in a file of
 * the operator's. To erase a tenant is to forget its key; whatever copies of its journals there are say nothing then.
 *
 * Each ciphertext is bound to its tenant and run: one that was moved to another row does not open.
 */

import { toHex } from "../core/digest.ts";
import { GatewayError } from "../core/errors.ts";
import type { Entropy, Files, JournalStore, TenantKeyRow } from "../ports/index.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** What a vault is made of. */
export interface VaultPowers {
  readonly files: Files;
  readonly entropy: Entropy;
  readonly store: Pick<JournalStore, "findKey" | "insertKey" | "hasKeys">;
  /** Of the file with the master key: 64 hex digits, mode 0600. Made when nothing was ever encrypted. */
  readonly path: string;
}

/** A key, ready. */
export interface TenantKey {
  readonly id: string;
  readonly key: CryptoKey;
}

/** Random, beside each ciphertext. A key may be used 2^32 times with random ones; a tenant's journals are fewer. */
const IV_BYTES = 12;
const OTHERS = 0o077;
/** Tenants' keys kept unwrapped: unwrapping one is two turns of another thread. */
const MAX_READY = 256;

/** The keys of one data folder. */
export class Vault {
  readonly #powers: VaultPowers;
  /** Keys as they were unwrapped, by tenant. Each use asks the store first: a key that was erased there is none here. */
  readonly #ready = new Map<string, TenantKey>();
  #master: Promise<CryptoKey> | undefined;

  constructor(powers: VaultPowers) {
    this.#powers = powers;
  }

  /** The tenant's key, made when it has none. @throws {GatewayError} `evidence-unavailable` */
  async keyOf(tenant: string): Promise<TenantKey> {
    const { store, entropy } = this.#powers;
    const known = await store.findKey(tenant);
    if (known !== undefined) return this.#unwrap(known);
    this.#ready.delete(tenant);
    const id = toHex(entropy.bytes(16));
    const wrapped = await seal(entropy, await this.#open(true), entropy.bytes(32), `${tenant} ${id}`);
    return this.#unwrap(await store.insertKey({ tenant, id, wrapped }));
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
    return open((await this.#unwrap(row)).key, sealed, place, "it was changed, or belongs to another run");
  }

  async #unwrap({ tenant, id, wrapped }: TenantKeyRow): Promise<TenantKey> {
    const known = this.#ready.get(tenant);
    if (known?.id === id) return known;
    const why = "the master key is not the one that it was wrapped with";
    const raw = await open(await this.#open(false), wrapped, `${tenant} ${id}`, why);
    const ready = { id, key: await importKey(raw) };
    this.#ready.set(tenant, ready);
    const [oldest] = this.#ready.keys();
    if (this.#ready.size > MAX_READY && oldest !== undefined) this.#ready.delete(oldest);
    return ready;
  }

  /** Once: the file does not change under a gateway. A failure is tried again. */
  #open(mayMake: boolean): Promise<CryptoKey> {
    this.#master ??= this.#readMaster(mayMake).catch((error: unknown) => {
      this.#master = undefined;
      throw error;
    });
    return this.#master;
  }

  async #readMaster(mayMake: boolean): Promise<CryptoKey> {
    const { files, entropy, store, path } = this.#powers;
    const name = JSON.stringify(path);
    if (mayMake && (await files.mode(path)) === undefined && !(await store.hasKeys()))
      await files.write(path, `${toHex(entropy.bytes(32))}\n`, { mode: 0o600 });
    // Read back even when just made: if two gateways made one at once, both go on with the one that is there.
    const bytes = await files.read(path);
    if (bytes === undefined) throw unreadable(`there is no master key ${name}`);
    const mode = (await files.mode(path)) ?? 0;
    if ((mode & OTHERS) !== 0)
      throw unreadable(`the mode of master key ${name} is 0${mode.toString(8)}, want 0600`);
    const text = new TextDecoder().decode(bytes).trim();
    if (!/^[0-9a-f]{64}$/.test(text)) throw unreadable(`master key ${name} is not 64 hex digits`);
    return importKey(Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16)));
  }
}

async function seal(entropy: Entropy, key: CryptoKey, bytes: Bytes, place: string): Promise<Bytes> {
  const iv = entropy.bytes(IV_BYTES);
  const ciphertext = new Uint8Array(await crypto.subtle.encrypt(gcm(iv, place), key, bytes));
  const sealed = new Uint8Array(IV_BYTES + ciphertext.length);
  sealed.set(iv);
  sealed.set(ciphertext, IV_BYTES);
  return sealed;
}

async function open(key: CryptoKey, sealed: Bytes, place: string, why: string): Promise<Bytes> {
  try {
    const algorithm = gcm(sealed.slice(0, IV_BYTES), place);
    return new Uint8Array(await crypto.subtle.decrypt(algorithm, key, sealed.slice(IV_BYTES)));
  } catch (cause) {
    throw unreadable(why, cause);
  }
}

function gcm(iv: Bytes, place: string): AesGcmParams {
  return { name: "AES-GCM", iv, additionalData: new TextEncoder().encode(`writ-journal/1 ${place}`) };
}

function importKey(raw: Bytes): Promise<CryptoKey> {
  return crypto.subtle.importKey("raw", raw, "AES-GCM", false, ["encrypt", "decrypt"]);
}

function unreadable(why: string, cause?: unknown): GatewayError {
  const refusal = { code: "evidence-unavailable", retryAfterSeconds: 60 } as const;
  return new GatewayError(`Cannot open a journal: ${why}`, refusal, { cause });
}
