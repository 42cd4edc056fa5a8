/**
 * `wasi:sockets` of WASI 0.3, as far as it is served: look-ups and outgoing TCP, by the same calls of the broker as 0.2,
 * under the same grants. What would make this machine listen answers `access-denied`; of `udp-socket` there is nothing
 * here, so that each function of it is a stub which refuses.
 */
import { type Binding, versionOf } from "../binding.ts";
import type { GuestContext } from "../context.ts";
import type { Readable } from "../linker/index.ts";
import {
  addressOf,
  type Family,
  type IpAddress,
  type IpSocketAddress,
  nowhere,
  placeOf,
} from "../wasi/sockets-address.ts";
import { resolveName } from "../wasi/sockets-lookup.ts";
import { defaultOptions, type SocketOptions } from "../wasi/sockets-options.ts";
import { Connection, nothing, refused } from "./sockets-connection.ts";
import { asLookUpError, asSocketError, socketError } from "./sockets-error.ts";

type Phase =
  | { readonly kind: "new" | "connecting" | "closed" }
  | { readonly kind: "connected"; readonly remote: IpSocketAddress; readonly connection: Connection };

/** Resource `tcp-socket`. */
export class TcpSocket {
  readonly #state: {
    readonly context: GuestContext;
    readonly interface: string;
    readonly family: Family;
    readonly options: SocketOptions;
    phase: Phase;
  };

  /** @param name the interface, as the component spells it */
  constructor(context: GuestContext, name: string, family: Family) {
    this.#state = { context, interface: name, family, options: defaultOptions(), phase: { kind: "new" } };
  }

  connect(remote: IpSocketAddress): Promise<void> {
    const state = this.#state;
    if (state.phase.kind !== "new") throw socketError("invalid-state");
    const place = placeFor(remote, state.family);
    state.phase = { kind: "connecting" };
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const asked = state.context.call("sockets/connect", { ...place, wasi: versionOf(state.interface) });
    // By way of the host's work: a socket changes when no code of the guest runs, so that a replay sees the same.
    state.context.work.underWay(
      asked,
      ({ value }) => {
        // From the broker, which is ours.
        const { handle } = value as { readonly handle: number };
        const connection = new Connection(state.context, handle);
        if (state.phase.kind === "connecting") state.phase = { kind: "connected", remote, connection };
        // Dropped meanwhile: nobody would ever close it.
        else connection.release();
        resolve();
      },
      (error) => {
        state.phase = { kind: "closed" };
        reject(asSocketError(error));
      },
    );
    return promise;
  }

  send(data: Readable): ReturnType<Connection["send"]> {
    const { phase } = this.#state;
    return phase.kind === "connected" ? phase.connection.send(data) : refused(data);
  }

  receive(): ReturnType<Connection["receive"]> {
    const { phase, context } = this.#state;
    return phase.kind === "connected" ? phase.connection.receive() : nothing(context);
  }

  bind(): void {
    this.#refuse("bind");
  }

  listen(): void {
    this.#refuse("listen");
  }

  getLocalAddress(): IpSocketAddress {
    const { phase, family } = this.#state;
    if (phase.kind !== "connected") throw socketError("invalid-state");
    return nowhere(family);
  }

  getRemoteAddress(): IpSocketAddress {
    const { phase } = this.#state;
    if (phase.kind !== "connected") throw socketError("invalid-state");
    return phase.remote;
  }

  getIsListening(): boolean {
    void this.#state;
    return false;
  }

  getAddressFamily(): Family {
    return this.#state.family;
  }

  setListenBacklogSize(value: bigint): void {
    void this.#state;
    positive(value);
  }

  getKeepAliveEnabled(): boolean {
    return this.#state.options.keepAlive;
  }

  setKeepAliveEnabled(value: boolean): void {
    this.#state.options.keepAlive = value;
  }

  getKeepAliveIdleTime(): bigint {
    return this.#state.options.idleTime;
  }

  setKeepAliveIdleTime(value: bigint): void {
    this.#state.options.idleTime = positive(value);
  }

  getKeepAliveInterval(): bigint {
    return this.#state.options.interval;
  }

  setKeepAliveInterval(value: bigint): void {
    this.#state.options.interval = positive(value);
  }

  getKeepAliveCount(): number {
    return this.#state.options.count;
  }

  setKeepAliveCount(value: number): void {
    this.#state.options.count = positive(value);
  }

  getHopLimit(): number {
    return this.#state.options.hopLimit;
  }

  setHopLimit(value: number): void {
    this.#state.options.hopLimit = positive(value);
  }

  getReceiveBufferSize(): bigint {
    return this.#state.options.receiveBuffer;
  }

  setReceiveBufferSize(value: bigint): void {
    this.#state.options.receiveBuffer = positive(value);
  }

  getSendBufferSize(): bigint {
    return this.#state.options.sendBuffer;
  }

  setSendBufferSize(value: bigint): void {
    this.#state.options.sendBuffer = positive(value);
  }

  /** Dropped: the connection goes on for as long as a stream of it is there. */
  [Symbol.dispose](): void {
    const state = this.#state;
    const { phase } = state;
    state.phase = { kind: "closed" };
    if (phase.kind === "connected") phase.connection.release();
  }

  #refuse(name: string): never {
    const { context, interface: of } = this.#state;
    context.send("refused/called", { import: `${of}#[method]tcp-socket.${name}` });
    throw socketError("access-denied");
  }
}

/** Binding of `wasi:sockets/types`. */
export function createSocketTypes(context: GuestContext, name: string): Binding {
  /** The guest makes sockets itself; they are of its run. */
  class RunSocket extends TcpSocket {
    static create(family: Family): TcpSocket {
      return new TcpSocket(context, name, family);
    }
  }
  return { resources: { TcpSocket: RunSocket }, functions: {} };
}

/** Binding of `wasi:sockets/ip-name-lookup`. */
export function createIpNameLookup(context: GuestContext, name: string): Binding {
  async function resolveAddresses(host: string): Promise<readonly IpAddress[]> {
    try {
      return (await resolveName(context, host, { wasi: versionOf(name) })).map(addressOf);
    } catch (error) {
      throw asLookUpError(error);
    }
  }
  return { resources: {}, functions: { resolveAddresses } };
}

/** @throws {GuestError} `invalid-argument` for what no connection can lead to */
function placeFor(remote: IpSocketAddress, family: Family): ReturnType<typeof placeOf> {
  try {
    return placeOf(remote, family);
  } catch (error) {
    throw asSocketError(error);
  }
}

/** @throws {GuestError} `invalid-argument` for zero, which the interface does not allow */
function positive<Value extends number | bigint>(value: Value): Value {
  if (value === 0 || value === 0n) throw socketError("invalid-argument");
  return value;
}
