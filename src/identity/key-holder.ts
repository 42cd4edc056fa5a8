/**
 * The private keys of one kind in the operator's folder, and the ring that says which of them signs. A rotation that
 * another process wrote is seen within seconds; no restart is needed.
 */
import { calculateJwkThumbprint, exportJWK } from "jose";
import {
  decodeBase64,
  encodeBase64,
  encodeKeyRing,
  type KeyRing,
  parseKeyRing,
  type RingKey,
  retireKeys,
  rotateRing,
  signingKeyAt,
} from "../core/manifest/index.ts";
import type { Clock, Files, PublicKey, Signing } from "../ports/index.ts";
import { type KeyKind, type KeyPair, openKeyFile, unusable } from "./key-file.ts";

/** What a holder needs. */
export interface KeyFiles {
  readonly files: Files;
  readonly clock: Clock;
  readonly signing: Signing;
  /** Of the first key, a PKCS#8 PEM. The ring is beside it: `manifest.pem` and `manifest-keys.json`. */
  readonly path: string;
}

/** For this long the ring is believed without being read again. */
const RING_FRESH_MS = 5_000;

/** A key that can sign now. */
export interface HeldKey extends KeyPair {
  readonly published: PublicKey;
}

/** The keys of one kind. */
export class KeyHolder {
  readonly #options: KeyFiles;
  readonly #kind: KeyKind;
  readonly #folder: string;
  readonly #first: string;
  readonly #pairs = new Map<string, Promise<KeyPair>>();
  /** The key that signed last, and what the ring said of it: a ring that was read again is asked again. */
  #held: HeldKey | undefined;
  #heldAs: RingKey | undefined;
  #ring: KeyRing | undefined;
  #readAtMs = Number.NEGATIVE_INFINITY;

  /** @param kind which algorithm */
  constructor(options: KeyFiles, kind: KeyKind) {
    this.#options = options;
    this.#kind = kind;
    const [, folder = ".", name = options.path] = /^(.*)\/([^/]*)$/.exec(options.path) ?? [];
    this.#folder = folder;
    this.#first = name;
  }

  /** @returns every key there was, newest first @throws {GatewayError} `evidence-unavailable` */
  async published(): Promise<readonly PublicKey[]> {
    return (await this.#freshRing()).map(publish);
  }

  /** @returns the key to sign with now, at once where nothing has to be read @throws {GatewayError} `evidence-unavailable` */
  current(): HeldKey | Promise<HeldKey> {
    const { clock } = this.#options;
    const [ring, held] = [this.#ring, this.#held];
    const isFresh = ring !== undefined && clock.monotonicMs() - this.#readAtMs < RING_FRESH_MS;
    const isHeld = isFresh && held !== undefined && signingKeyAt(ring, clock.nowMs()) === this.#heldAs;
    return isHeld ? held : this.#find();
  }

  async #find(): Promise<HeldKey> {
    const key = signingKeyAt(await this.#freshRing(), this.#options.clock.nowMs());
    if (key?.file === undefined) {
      throw unusable(`Cannot sign: no key of ${JSON.stringify(this.#ringPath)} is valid now`);
    }
    // Read again, and the same key.
    const same = this.#held?.published.keyId === key.keyId ? this.#held : undefined;
    const pair = same ?? (await this.#open(key.file, false));
    // Another key under the name of one that is published would sign what nobody can verify.
    if (same === undefined && (await describe(pair)).keyId !== key.keyId) {
      throw unusable(`Cannot sign: ${JSON.stringify(key.file)} is not the key that the ring says`);
    }
    this.#held = { ...pair, published: publish(key) };
    this.#heldAs = key;
    return this.#held;
  }

  /**
   * Makes a new key, and gives the one before it an end.
   *
   * A crash after the key's file and before the ring's leaves a file that nothing names; the next rotation takes it.
   *
   * @param options `overlapMs`: see `rotateRing`; `sinceEver`: for a log's key
   * @returns the ring as it is now
   * @throws {GatewayError} `evidence-unavailable` when a rotation is under way, or a file can not be used
   */
  async rotate(options: { readonly overlapMs: number; readonly sinceEver: boolean }): Promise<KeyRing> {
    const { files, clock } = this.#options;
    const ring = await this.#readRing();
    const nowMs = clock.nowMs();
    // Numbered, so that a file which a crash left here before its ring was written is the one that is used now.
    const file = `${this.#first.replace(/\.pem$/, "")}-${ring.length + 1}.pem`;
    const pair = await this.#open(file, true);
    const rotated = rotateRing(ring, { ...(await describe(pair)), file }, { ...options, nowMs });
    if (!rotated.ok) {
      await files.remove(`${this.#folder}/${file}`);
      const until = new Date(rotated.untilMs).toISOString();
      throw unusable(`Cannot rotate: the last rotation is under way until ${until}`);
    }
    const retired = retireKeys(rotated.ring, nowMs);
    await files.write(this.#ringPath, encodeKeyRing(retired.ring));
    for (const name of retired.files) await files.remove(`${this.#folder}/${name}`);
    this.#readAtMs = Number.NEGATIVE_INFINITY;
    return retired.ring;
  }

  get #ringPath(): string {
    return `${this.#folder}/${this.#first.replace(/\.pem$/, "")}-keys.json`;
  }

  async #freshRing(): Promise<KeyRing> {
    const { clock } = this.#options;
    if (this.#ring === undefined || clock.monotonicMs() - this.#readAtMs >= RING_FRESH_MS) {
      this.#ring = await this.#readRing();
      this.#readAtMs = clock.monotonicMs();
    }
    return this.#ring;
  }

  /** Without a ring there is one key, since ever: it was never rotated. */
  async #readRing(): Promise<KeyRing> {
    const { files } = this.#options;
    let bytes: Uint8Array | undefined;
    try {
      bytes = await files.read(this.#ringPath);
    } catch (cause) {
      throw unusable(`Cannot read key ring ${JSON.stringify(this.#ringPath)}`, cause);
    }
    if (bytes === undefined) {
      const only = { ...(await describe(await this.#open(this.#first, true))), file: this.#first };
      return [{ ...only, validFromMs: 0, signsFromMs: 0 }];
    }
    const ring = parseKeyRing(bytes);
    if (ring === undefined) throw unusable(`Cannot use key ring ${JSON.stringify(this.#ringPath)}`);
    return ring;
  }

  async #open(file: string, create: boolean): Promise<KeyPair> {
    const known = this.#pairs.get(file);
    if (known !== undefined) return await known;
    const { files, signing } = this.#options;
    const opened = openKeyFile({ files, signing, path: `${this.#folder}/${file}`, create }, this.#kind);
    this.#pairs.set(file, opened);
    opened.catch(() => this.#pairs.delete(file));
    return await opened;
  }
}

function publish({ keyId, spki, validFromMs, validUntilMs }: RingKey): PublicKey {
  const until = validUntilMs === undefined ? {} : { validUntilMs };
  return { keyId, spki: decodeBase64(spki) ?? new Uint8Array(), validFromMs, ...until };
}

async function describe({ publicKey }: KeyPair): Promise<Pick<RingKey, "keyId" | "spki">> {
  const spki = new Uint8Array(await crypto.subtle.exportKey("spki", publicKey));
  return {
    keyId: await calculateJwkThumbprint(await exportJWK(publicKey), "sha256"),
    spki: encodeBase64(spki),
  };
}
