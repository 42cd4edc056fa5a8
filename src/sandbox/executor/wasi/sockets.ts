/**
 * `wasi:sockets`, as far as it is served: outgoing TCP. The resources live here, the connection in the broker, which
 * judges it; bytes are pulled from there and pushed to it piece by piece. What would make this machine listen, or be
 * heard on a port, answers `access-denied`.
 */
import type { Binding } from "../binding.ts";
import type { GuestContext } from "../context.ts";
import { GuestError } from "../guard.ts";
import { Pollable, type Readiness, readinessOf } from "./poll.ts";
import { type Family, type IpSocketAddress, nowhere, placeOf } from "./sockets-address.ts";
import { defaultOptions, type SocketOptions } from "./sockets-options.ts";
import { CHUNK_BYTES, InputStream, IoError, OutputStream } from "./streams.ts";

/** What `network` may do is asked at each call: the handle itself says nothing. */
export class Network {}

type Phase =
  | { readonly kind: "new" }
  | { readonly kind: "connecting"; readonly readiness: Readiness; end: Connected | Failed | undefined }
  | { readonly kind: "connected"; readonly remote: IpSocketAddress; readonly pipe: SocketPipe }
  | { readonly kind: "closed" };
interface Connected {
  readonly kind: "connected";
  readonly remote: IpSocketAddress;
  readonly handle: number;
}
interface Failed {
  readonly kind: "failed";
  readonly error: unknown;
}

/** Resource `tcp-socket`. */
export class TcpSocket {
  readonly #state: {
    readonly context: GuestContext;
    readonly family: Family;
    readonly options: SocketOptions;
    phase: Phase;
  };

  constructor(context: GuestContext, family: Family) {
    this.#state = { context, family, options: defaultOptions(), phase: { kind: "new" } };
  }

  startConnect(_network: unknown, remote: IpSocketAddress): void {
    const state = this.#state;
    if (state.phase.kind === "connecting") throw new GuestError("concurrency-conflict");
    if (state.phase.kind !== "new") throw new GuestError("invalid-state");
    const place = placeOf(remote, state.family);
    const connected = state.context
      .call("sockets/connect", place)
      // From the broker, which is ours; another shape is a bug, and ends the run when the guest asks how it went.
      .then(({ value }): Connected => {
        const { handle } = value as { readonly handle: number };
        return { kind: "connected", remote, handle };
      })
      .catch((error: unknown): Failed => ({ kind: "failed", error }));
    const phase: Extract<Phase, { kind: "connecting" }> = {
      kind: "connecting",
      readiness: readinessOf(
        connected.then((end) => {
          phase.end = end;
          // Given up meanwhile: nobody would ever close it.
          if (end.kind === "connected" && state.phase !== phase) closeHandle(state.context, end.handle);
        }),
      ),
      end: undefined,
    };
    state.phase = phase;
  }

  finishConnect(): readonly [InputStream, OutputStream] {
    const state = this.#state;
    const { context, phase } = state;
    if (phase.kind !== "connecting") throw new GuestError("not-in-progress");
    const { end } = phase;
    if (end === undefined) throw new GuestError("would-block");
    if (end.kind === "failed") {
      state.phase = { kind: "closed" };
      throw end.error;
    }
    const pipe = new SocketPipe(context, end.handle);
    state.phase = { kind: "connected", remote: end.remote, pipe };
    return [pipe.input(), pipe.output()];
  }

  startBind(): void {
    this.#refuse("start-bind");
  }

  finishBind(): void {
    this.#notInProgress();
  }

  startListen(): void {
    this.#refuse("start-listen");
  }

  finishListen(): void {
    this.#notInProgress();
  }

  accept(): never {
    void this.#state;
    throw new GuestError("invalid-state");
  }

  isListening(): boolean {
    void this.#state;
    return false;
  }

  addressFamily(): Family {
    return this.#state.family;
  }

  localAddress(): IpSocketAddress {
    const { phase, family } = this.#state;
    if (phase.kind !== "connected") throw new GuestError("invalid-state");
    return nowhere(family);
  }

  remoteAddress(): IpSocketAddress {
    const { phase } = this.#state;
    if (phase.kind !== "connected") throw new GuestError("invalid-state");
    return phase.remote;
  }

  subscribe(): Pollable {
    const state = this.#state;
    // Of whatever is under way when it is asked: programs subscribe once, before they connect.
    return new Pollable({
      isReady: () => state.phase.kind !== "connecting" || state.phase.readiness.isReady(),
      whenReady: () =>
        state.phase.kind === "connecting" ? state.phase.readiness.whenReady() : Promise.resolve(),
    });
  }

  shutdown(type: "receive" | "send" | "both"): void {
    const { phase } = this.#state;
    if (phase.kind !== "connected") throw new GuestError("invalid-state");
    if (type !== "send") phase.pipe.stopReading();
    if (type !== "receive") phase.pipe.stopWriting();
  }

  setListenBacklogSize(value: bigint): void {
    void this.#state;
    positive(value);
  }

  keepAliveEnabled(): boolean {
    return this.#state.options.keepAlive;
  }

  setKeepAliveEnabled(value: boolean): void {
    this.#state.options.keepAlive = value;
  }

  keepAliveIdleTime(): bigint {
    return this.#state.options.idleTime;
  }

  setKeepAliveIdleTime(value: bigint): void {
    this.#state.options.idleTime = positive(value);
  }

  keepAliveInterval(): bigint {
    return this.#state.options.interval;
  }

  setKeepAliveInterval(value: bigint): void {
    this.#state.options.interval = positive(value);
  }

  keepAliveCount(): number {
    return this.#state.options.count;
  }

  setKeepAliveCount(value: number): void {
    this.#state.options.count = positive(value);
  }

  hopLimit(): number {
    return this.#state.options.hopLimit;
  }

  setHopLimit(value: number): void {
    this.#state.options.hopLimit = positive(value);
  }

  receiveBufferSize(): bigint {
    return this.#state.options.receiveBuffer;
  }

  setReceiveBufferSize(value: bigint): void {
    this.#state.options.receiveBuffer = positive(value);
  }

  sendBufferSize(): bigint {
    return this.#state.options.sendBuffer;
  }

  setSendBufferSize(value: bigint): void {
    this.#state.options.sendBuffer = positive(value);
  }

  /** Dropped: the connection goes with it, also one that is only on its way. */
  [Symbol.dispose](): void {
    const state = this.#state;
    const { phase } = state;
    state.phase = { kind: "closed" };
    if (phase.kind === "connected") phase.pipe.close();
    if (phase.kind === "connecting" && phase.end?.kind === "connected")
      closeHandle(state.context, phase.end.handle);
  }

  #refuse(name: string): never {
    this.#state.context.send("refused/called", { import: `wasi:sockets/tcp#[method]tcp-socket.${name}` });
    throw new GuestError("access-denied");
  }

  #notInProgress(): never {
    void this.#state;
    throw new GuestError("not-in-progress");
  }
}

/** The bytes of one connection, both ways. Closed once, however often that is asked for. */
class SocketPipe {
  readonly #context: GuestContext;
  readonly #handle: number;
  #reading = true;
  #writing = true;
  #closed = false;
  #pushing: Promise<void> | undefined;
  #failure: GuestError | undefined;

  constructor(context: GuestContext, handle: number) {
    this.#context = context;
    this.#handle = handle;
  }

  input(): InputStream {
    return new InputStream({
      read: async (maxBytes) => {
        if (!this.#reading) return undefined;
        const { body } = await this.#context.call("sockets/read", { handle: this.#handle, maxBytes });
        return body.length === 0 || !this.#reading ? undefined : body;
      },
    });
  }

  output(): OutputStream {
    return new OutputStream({
      room: () => {
        if (this.#failure !== undefined) throw this.#failure;
        if (!this.#writing) throw new GuestError({ tag: "closed" });
        return this.#pushing === undefined ? CHUNK_BYTES : 0;
      },
      // A copy: the guest goes on running, and writes over what it gave.
      write: (bytes) => this.#push(bytes.slice()),
      flush: async () => {
        await this.#pushing;
        if (this.#failure !== undefined) throw this.#failure;
      },
    });
  }

  stopReading(): void {
    this.#reading = false;
  }

  /** What was written before still leaves. */
  stopWriting(): void {
    if (!this.#writing) return;
    this.#writing = false;
    this.#later(() => this.#context.send("sockets/end", { handle: this.#handle }));
  }

  close(): void {
    this.#reading = false;
    this.#writing = false;
    this.#later(() => {
      if (!this.#closed) closeHandle(this.#context, this.#handle);
      this.#closed = true;
    });
  }

  #push(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    const pushing = this.#context
      .call("sockets/write", { handle: this.#handle }, bytes)
      .then(
        () => undefined,
        (error: unknown) => {
          this.#failure = new GuestError({
            tag: "last-operation-failed",
            val: new IoError(
              "Cannot write: the connection failed",
              error instanceof GuestError ? error.payload : undefined,
            ),
          });
        },
      )
      .finally(() => {
        if (this.#pushing === pushing) this.#pushing = undefined;
      });
    this.#pushing = pushing;
  }

  /** Behind the piece that is on its way, and at once where there is none. */
  #later(action: () => void): void {
    const pushing = this.#pushing;
    if (pushing === undefined) action();
    else this.#context.later(() => pushing.then(() => (this.#closed ? undefined : action())));
  }
}

/** Binding of `wasi:sockets/network`. */
export function createNetwork(): Binding {
  return { resources: { Network }, functions: {} };
}

/** Binding of `wasi:sockets/instance-network`. */
export function createInstanceNetwork(): Binding {
  return { resources: {}, functions: { instanceNetwork: () => new Network() } };
}

/** Binding of `wasi:sockets/tcp`. */
export function createTcp(): Binding {
  return { resources: { TcpSocket }, functions: {} };
}

/** Binding of `wasi:sockets/tcp-create-socket`. */
export function createTcpCreateSocket(context: GuestContext): Binding {
  return {
    resources: {},
    functions: { createTcpSocket: (family: Family) => new TcpSocket(context, family) },
  };
}

function closeHandle(context: GuestContext, handle: number): void {
  context.send("sockets/close", { handle });
}

/** @throws {GuestError} `invalid-argument` for zero, which the interface does not allow */
function positive<Value extends number | bigint>(value: Value): Value {
  if (value === 0 || value === 0n) throw new GuestError("invalid-argument");
  return value;
}
