/** The body of a response, pulled from the broker piece by piece, for `wasi:http` of either version. */
import type { HttpReadValue } from "../../../ports/index.ts";
import type { GuestContext } from "../context.ts";
import { ROOM_BYTES } from "../rooms.ts";
import type { BodySource } from "./http-body.ts";
import { Fields, fromLatin1 } from "./http-fields.ts";
import { CHUNK_BYTES } from "./streams.ts";

/** Bytes of response bodies that one run asks for ahead of what it takes, all of its requests together. */
const AHEAD_BYTES = 1024 * 1024;

/** What a run may still ask for ahead. */
export interface ReadAllowance {
  leftBytes: number;
}

/** What a run may hold of response bodies. */
export function createReadAllowance(): ReadAllowance {
  return { leftBytes: AHEAD_BYTES };
}

/** What came of a body together with its head. */
export interface BodyBeginning extends HttpReadValue {
  readonly bytes: Uint8Array;
  /** Where the bytes are, if in a room. */
  readonly room: Uint8Array | undefined;
}

/** Bytes that came, and the room that they lie in, if they do. */
interface Piece {
  readonly bytes: Uint8Array;
  readonly room: Uint8Array | undefined;
}

/**
 * One body. Of one that comes in large pieces the next is asked for when one has arrived that the guest waited for. So
 * what is asked, and what is charged for asking, depends on nothing but what the guest did and what reached it.
 *
 * INVARIANT: whoever reads has done with a piece, or has copied it, when it asks for the next one.
 *
 * A class, because objects written down with getters outlive their response.
 */
export class BrokerSource implements BodySource {
  trailers: Fields | undefined;
  readonly #context: GuestContext;
  readonly #allowance: ReadAllowance;
  readonly #handle: number;
  #closed = false;
  #ended = false;
  #first: Piece | undefined;
  /** With the reader. */
  #shown: Piece | undefined;
  #ahead: Promise<Piece | undefined> | undefined;

  constructor(context: GuestContext, allowance: ReadAllowance, handle: number, beginning: BodyBeginning) {
    this.#context = context;
    this.#allowance = allowance;
    this.#handle = handle;
    if (beginning.bytes.length > 0) this.#first = beginning;
    this.#note(beginning);
  }

  async read(): Promise<Uint8Array | undefined> {
    if (this.#shown?.room !== undefined) this.#context.rooms.give(this.#shown.room);
    this.#shown = this.#first;
    this.#first = undefined;
    if (this.#closed) return undefined;
    if (this.#shown !== undefined) return this.#shown.bytes;
    if (this.#ended && this.#ahead === undefined) return undefined;
    const asked = this.#ahead ?? this.#ask();
    this.#ahead = undefined;
    const shown = await asked;
    this.#shown = shown;
    if (shown !== undefined && shown.bytes.length >= CHUNK_BYTES && !this.#ended && !this.#closed) {
      this.#ahead = this.#ask();
      // Whoever reads on is told; a guest that does not, never.
      this.#ahead.catch(() => undefined);
    }
    return shown?.bytes;
  }

  close(): void {
    // Once, and not after its end, when there is no connection left to close: to the broker, a second use of the
    // handle is a forgery.
    if (!this.#closed && !this.#ended) this.#context.send("http-client/close", { handle: this.#handle });
    this.#closed = true;
  }

  async #ask(): Promise<Piece | undefined> {
    // A run that reads many bodies at once reads each in smaller pieces, and always some.
    const maxBytes = Math.max(CHUNK_BYTES, Math.min(ROOM_BYTES, this.#allowance.leftBytes));
    this.#allowance.leftBytes -= maxBytes;
    try {
      const asked = { handle: this.#handle, maxBytes };
      const {
        value,
        body: bytes,
        room,
      } = await this.#context.call("http-client/read", asked, undefined, true);
      // From the broker, which is ours; another shape is a bug and ends the run.
      this.#note(value as unknown as HttpReadValue);
      if (bytes.length === 0 && !this.#ended) throw new TypeError("The broker sent neither bytes nor an end");
      return bytes.length === 0 ? undefined : { bytes, room };
    } finally {
      this.#allowance.leftBytes += maxBytes;
    }
  }

  #note({ end, trailers = [] }: HttpReadValue): void {
    this.#ended ||= end;
    if (trailers.length > 0)
      this.trailers = Fields.immutable(trailers.map(([name, text]) => [name, fromLatin1(text)] as const));
  }
}
