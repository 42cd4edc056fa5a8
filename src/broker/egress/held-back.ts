/**
 * What TLS runs over where it does not hold its server back itself: Deno's takes and decrypts whatever its connection has,
 * whether or not anybody reads, so that a server could fill this process. Here it is given the next bytes only when nothing
 * waits that it has decrypted.
 *
 * INVARIANT: beside what waits decrypted, one read of the socket has been taken from the system.
 */
import { Duplex } from "node:stream";
import type { Socket } from "./socket.ts";

/** One connection's bytes, both ways. */
export class HeldBack extends Duplex {
  readonly #socket: Socket;
  /** What runs over it; until that is there, a handshake has all that it asks for. */
  #tls: Socket | undefined;

  /** @param socket connected, and nobody else's from now on */
  constructor(socket: Socket) {
    super({ highWaterMark: 1 });
    this.#socket = socket;
    socket.on("readable", () => this.#pass());
    socket.on("end", () => this.push(null));
    socket.on("error", (error) => this.destroy(error));
    socket.on("close", () => this.destroy());
  }

  /** Names the TLS that runs over it: it is given more when that was read. */
  carry(tls: Socket): void {
    this.#tls = tls;
    const read = tls.read.bind(tls);
    tls.read = (size?: number) => {
      const chunk: unknown = read(size);
      this.#pass();
      return chunk;
    };
    // What it stands on keeps the process alive, and not itself.
    tls.ref = () => {
      this.#socket.ref();
      return tls;
    };
    tls.unref = () => {
      this.#socket.unref();
      return tls;
    };
    tls.once("close", () => this.destroy());
  }

  #pass(): void {
    while (this.readableLength === 0 && (this.#tls?.readableLength ?? 0) === 0) {
      const bytes: unknown = this.#socket.read();
      if (bytes === null) return;
      this.push(bytes);
    }
  }

  override _read(): void {
    this.#pass();
  }

  override _write(bytes: Uint8Array, _encoding: string, done: (error?: Error | null) => void): void {
    this.#socket.write(bytes, done);
  }

  override _final(done: () => void): void {
    this.#socket.end(done);
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#socket.destroy();
    done(error);
  }
}
