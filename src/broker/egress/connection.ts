/** One connection that carries HTTP, one request at a time, and whether it may carry another. */
import { Client } from "undici";
import type { Dialed } from "./dial.ts";
import { EgressFailure } from "./errors.ts";
import { meterReads, type Payer, type ReadMeter } from "./meter.ts";
import type { SharedReads } from "./shared-reads.ts";
import type { Socket } from "./socket.ts";
import { type Target, urlHost } from "./target.ts";
import { type TrailerWriter, writeTrailers } from "./trailers.ts";

/** Largest response head accepted, in bytes. */
const MAX_RESPONSE_HEAD = 32 * 1024;

/** A connection. */
export class Connection {
  /** The judged address that it leads to. */
  readonly address: string;
  readonly client: Client;
  readonly #socket: Socket;
  readonly #meter: ReadMeter;
  /** For the bodies that are sent over it. */
  readonly trailers: TrailerWriter;
  /** Whether an earlier request went over it. */
  reused = false;
  /** Whether it failed. A connection that its server closed in order has not. */
  broken = false;

  readonly #reads: SharedReads | undefined;

  constructor(target: Target, { socket, address, reads }: Dialed) {
    this.#reads = reads;
    this.address = address;
    this.#socket = socket;
    // Before undici hears of it, which takes what came until then for a whole answer where its end is the connection's.
    socket.on("error", () => {
      this.broken = true;
    });
    this.#meter = meterReads(socket);
    this.trailers = writeTrailers(socket);
    this.client = clientOver(socket, target);
  }

  /** Bytes read for the request under way. */
  get bytesRead(): number {
    return this.#meter.bytes;
  }

  /** Whether it is still there: a server that said `Connection: close`, or said too much, has ended it. */
  get alive(): boolean {
    return !this.#socket.destroyed;
  }

  /** Names who pays for what arrives; with undefined, whatever arrives ends the connection. */
  charge(payer: Payer | undefined): void {
    this.#meter.charge(payer);
  }

  /** Says what follows: how many bytes of a body and nothing else, and whether a response's head does. */
  expects(next: Pick<SharedReads, "passing" | "awaitsHead">): void {
    if (this.#reads !== undefined) Object.assign(this.#reads, next);
  }

  /** Idle connections must not keep a process alive that has nothing else to do. */
  rest(): void {
    this.charge(undefined);
    this.expects({ passing: () => 0, awaitsHead: () => true });
    this.#socket.unref();
  }

  /** Ends the rest. */
  wake(): void {
    this.#socket.ref();
    this.reused = true;
  }

  /** Calls when the socket is gone. @returns what ends that: a connection is kept many times in its life */
  onClose(action: () => void): () => void {
    this.#socket.on("close", action);
    return () => this.#socket.off("close", action);
  }

  /** Ends it. Idempotent. */
  close(): void {
    // Rejections of the requests under way reach whoever waits for them.
    this.client.destroy().catch(() => {});
    this.#socket.destroy();
  }
}

function clientOver(socket: Socket, target: Target): Client {
  let used = false;
  return new Client(`${target.scheme}://${urlHost(target)}:${target.port}`, {
    allowH2: false,
    pipelining: 1,
    headersTimeout: 0, // undici's timers tick every half second: ours are exact
    bodyTimeout: 0,
    keepAliveTimeout: 60_000, // the pool's is the one that counts
    maxHeaderSize: MAX_RESPONSE_HEAD,
    connect: (_options, callback) => {
      // INVARIANT: undici never opens a connection itself. It would after losing this one, to an unjudged address.
      if (used) return callback(new EgressFailure({ tag: "connection-terminated" }), null);
      used = true;
      // Not at once: undici ignores a connection that is there before its connect() has returned.
      queueMicrotask(() => callback(null, socket));
    },
  });
}
