/** Resource `fields` of `wasi:http/types`: headers and trailers, in order, values as raw bytes. */
import { GuestError } from "../guard.ts";

/** RFC 9110 section 5.6.2 `token`. */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
/** RFC 9110 section 5.5: no control byte but tab; CR, LF and NUL would let a guest write a header of its own. */
const FORBIDDEN_BYTE = (byte: number) => (byte < 0x20 && byte !== 0x09) || byte === 0x7f;

/** Names that the transport sets; a guest that could set them could smuggle a second request. */
const FORBIDDEN_NAMES: ReadonlySet<string> = new Set([
  "connection",
  "host",
  "http2-settings",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "transfer-encoding",
  "upgrade",
]);

/** Entries that a guest may put into one object: with clones, a few long lists would fill the executor. */
const MOST_ENTRIES = 128;

type Entry = readonly [name: string, value: Uint8Array];

/** Resource `fields`. */
export class Fields {
  /** The list is never changed in place: clones share it. */
  #state: { entries: readonly Entry[]; readonly mutable: boolean };

  constructor() {
    this.#state = { entries: [], mutable: true };
  }

  static fromList(entries: readonly Entry[]): Fields {
    const fields = new Fields();
    for (const [name, value] of entries) fields.append(name, value);
    return fields;
  }

  /** Fields that the guest may read but not change, as the specification wants them. */
  static immutable(entries: readonly Entry[]): Fields {
    const fields = new Fields();
    fields.#state = { entries, mutable: false };
    return fields;
  }

  get(name: string): Uint8Array[] {
    return this.#state.entries.flatMap(([candidate, value]) => (sameName(candidate, name) ? [value] : []));
  }

  has(name: string): boolean {
    return this.#state.entries.some(([candidate]) => sameName(candidate, name));
  }

  set(name: string, values: readonly Uint8Array[]): void {
    this.#requireMutable();
    checkName(name);
    for (const value of values) checkValue(value);
    this.#remove(name);
    this.#add(values.map((value) => [name, value] as const));
  }

  delete(name: string): void {
    this.#requireMutable();
    checkName(name);
    this.#remove(name);
  }

  append(name: string, value: Uint8Array): void {
    this.#requireMutable();
    checkName(name);
    checkValue(value);
    this.#add([[name, value]]);
  }

  entries(): readonly Entry[] {
    return this.#state.entries;
  }

  /** {@link entries}, as WASI 0.3 calls them. */
  copyAll(): readonly Entry[] {
    return this.#state.entries;
  }

  /** Of WASI 0.3. */
  getAndDelete(name: string): Uint8Array[] {
    const values = this.get(name);
    this.delete(name);
    return values;
  }

  clone(): Fields {
    const copy = new Fields();
    copy.#state = { entries: this.#state.entries, mutable: true };
    return copy;
  }

  #add(added: readonly Entry[]): void {
    const entries = [...this.#state.entries, ...added];
    if (entries.length > MOST_ENTRIES)
      throw new RangeError(`Cannot hold ${entries.length} header fields: the limit is ${MOST_ENTRIES}`);
    this.#state.entries = entries;
  }

  #remove(name: string): void {
    this.#state.entries = this.#state.entries.filter(([candidate]) => !sameName(candidate, name));
  }

  #requireMutable(): void {
    if (!this.#state.mutable) throw new GuestError({ tag: "immutable" });
  }
}

/** Header values cross the pipe as latin-1: one character per byte, so nothing is lost. */
export function toLatin1(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}

/** The reverse of {@link toLatin1}. */
export function fromLatin1(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at += 1) bytes[at] = text.charCodeAt(at);
  return bytes;
}

function sameName(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}

function checkName(name: string): void {
  if (!TOKEN.test(name)) throw new GuestError({ tag: "invalid-syntax" });
  if (FORBIDDEN_NAMES.has(name.toLowerCase())) throw new GuestError({ tag: "forbidden" });
}

function checkValue(value: Uint8Array): void {
  if (value.some(FORBIDDEN_BYTE)) throw new GuestError({ tag: "invalid-syntax" });
}
