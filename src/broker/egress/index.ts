/**
 * Egress: the only code in the project that opens an outgoing connection.
 *
 * Order, for every request: strict parse, rule match (`permitRequest`); then resolve, judge every address, connect
 * to a judged one, look at the far end again, TLS for the policy's host, send without following redirects, meter
 * every byte (`createEgress`).
 */
import type { Clock, Resolver } from "../../ports/index.ts";
import type { AddressBlock } from "./addresses.ts";
import { type BlockList, NOTHING_BLOCKED } from "./block-list.ts";
import { Blocks } from "./blocks.ts";
import { Connection } from "./connection.ts";
import { type DialOptions, dial, type TlsOptions } from "./dial.ts";
import { EgressFailure } from "./errors.ts";
import { type EgressResponse, type ExchangeOptions, exchange } from "./exchange.ts";
import type { Header } from "./headers.ts";
import type { Meter } from "./meter.ts";
import type { Permit } from "./permit.ts";
import { ConnectionPool } from "./pool.ts";
import type { EgressProxy } from "./proxy.ts";
import type { RequestBody } from "./request-body.ts";
import { parseTarget, type Target } from "./target.ts";
import { connectionOver, type EgressConnection } from "./tcp.ts";

export {
  type AddressBlock,
  type AddressVerdict,
  canonicalAddress,
  checkAddress,
  parseBlock,
} from "./addresses.ts";
export { type BlockList, parseBlockList } from "./block-list.ts";
export { BlockReserve, Blocks } from "./blocks.ts";
export type { TlsOptions } from "./dial.ts";
export { barrierClause, EgressFailure, EgressSpent, type ErrorCode, wordOf } from "./errors.ts";
export type { EgressResponse } from "./exchange.ts";
export { type Header, type Injection, requestHeaders, responseHeaders } from "./headers.ts";
export type { Meter } from "./meter.ts";
export { type Denial, type Permit, permitRequest } from "./permit.ts";
export { type EgressProxy, parseProxy } from "./proxy.ts";
export type { RequestBody, StreamedBody } from "./request-body.ts";
export { parseTarget, visible } from "./target.ts";
export type { EgressConnection } from "./tcp.ts";
export { requestTrailers } from "./trailers.ts";

/** Limits of time, in ms. A guest may ask for less, never for more. */
export const TIMEOUTS = { connectMs: 10_000, firstByteMs: 60_000, idleMs: 30_000 } as const;

/** What egress needs of the world and of the operator. */
export interface EgressOptions {
  readonly resolver: Resolver;
  readonly clock: Clock;
  /** PEM certificates trusted instead of the runtime's own; absent = the runtime's. */
  readonly certificateAuthorities?: readonly string[];
  /** Longest silence within a response's body; default 30 s. */
  readonly idleTimeoutMs?: number;
  /** What no request may reach, whatever permits it; default nothing. */
  readonly blocked?: BlockList;
  /** The operator's outgoing proxy; absent = none, whatever the environment says. */
  readonly proxy?: EgressProxy;
  /** See `Runtime`; default: it does not. */
  readonly tlsHoldsBack?: boolean;
}

/** What every way out is told. */
interface Way {
  /** Address blocks opened for this request although they are not public. */
  readonly open: readonly AddressBlock[];
  readonly meter: Meter;
  /** The run's end. */
  readonly signal: AbortSignal;
  readonly connectTimeoutMs?: number;
}

/** One request. `permit` comes from `permitRequest` and nowhere else. */
export interface EgressRequest extends Way {
  readonly permit: Permit;
  /** From `requestHeaders`. */
  readonly headers: readonly Header[];
  readonly body: RequestBody;
  readonly firstByteTimeoutMs?: number;
  readonly idleTimeoutMs?: number;
  /** Told when the meter refuses while the request or its response is under way. */
  readonly onSpent?: () => void;
  /** What response bodies of the same run pass through; default: blocks of this request's own. */
  readonly blocks?: Blocks;
  /** The profile's; default: the runtime's trust, no client certificate. */
  readonly tls?: TlsOptions;
  /**
   * Who may share connections: tenant and policy, and whatever else tells two permissions apart. Absent = a connection
   * of its own, closed at the end.
   */
  readonly pool?: string;
  /** Asked before the request is made a second time, on a fresh connection; default: it may be. */
  readonly mayResend?: () => Promise<boolean>;
}

/** A name that the caller has found granted. */
export interface LookUp extends Omit<Way, "meter"> {
  /** As the guest spelled it; attacker-controlled. */
  readonly host: string;
}

/** A TCP connection to a host and port that the caller has found granted. */
export interface TcpRequest extends Way {
  /** As the guest spelled them; attacker-controlled. */
  readonly host: string;
  readonly port: number;
  /** What its event calls it, for whoever is told before it leaves; default host and port. */
  readonly label?: string;
}

/** Makes requests and connections. */
export interface Egress {
  /**
   * @throws {EgressFailure | EgressSpent | Error} `wordOf` names it for the guest
   */
  send(request: EgressRequest): Promise<EgressResponse>;
  /**
   * Resolves a name and judges every address that it has, as before a connection; connects to none.
   *
   * @returns canonical spellings, all of which may be connected to at this moment
   * @throws {EgressFailure | Error} `wordOf` names it
   */
  resolve(request: LookUp): Promise<readonly string[]>;
  /**
   * Opens a TCP connection by the same checks: strict host, resolved here, every address judged, pinned, re-checked.
   *
   * @throws {EgressFailure | Error} `wordOf` names it
   */
  connect(request: TcpRequest): Promise<EgressConnection>;
}

/** Methods that may be sent again when a kept connection turns out to be dead before a byte of the answer came. */
const REPEATABLE = ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"];

/** Creates the egress of one broker. */
export function createEgress(options: EgressOptions): Egress {
  const { resolver, clock, certificateAuthorities, blocked = NOTHING_BLOCKED, proxy } = options;
  const { tlsHoldsBack = false } = options;
  const pool = new ConnectionPool(clock);

  function dialOptions(
    { open, signal, connectTimeoutMs }: Omit<Way, "meter">,
    tls: TlsOptions = {},
  ): DialOptions {
    return {
      resolver,
      clock,
      open,
      blocked,
      signal,
      tls: certificateAuthorities === undefined ? tls : { certificateAuthorities, ...tls },
      tlsHoldsBack,
      timeoutMs: Math.min(connectTimeoutMs ?? TIMEOUTS.connectMs, TIMEOUTS.connectMs),
      ...(proxy === undefined ? {} : { proxy }),
    };
  }

  return {
    async send(request) {
      const { permit, tls, body } = request;
      const key = keyOf(request);
      // A request that must not be made twice waits for no connection whose server may be leaving.
      const repeatable = REPEATABLE.includes(permit.method) && body instanceof Uint8Array;
      const open = (fresh: boolean) =>
        dial(permit.target, dialOptions(request, tls), async (addresses, connect) => {
          const idle = fresh || key === undefined || !repeatable ? undefined : pool.take(key, addresses);
          return idle ?? new Connection(permit.target, await connect());
        });
      const exchangeOptions: ExchangeOptions = {
        permit,
        headers: request.headers,
        body,
        meter: request.meter,
        ...(request.onSpent === undefined ? {} : { onSpent: request.onSpent }),
        blocks: request.blocks ?? new Blocks(),
        clock,
        signal: request.signal,
        idleTimeoutMs: shorter(request.idleTimeoutMs, options.idleTimeoutMs ?? TIMEOUTS.idleMs),
        firstByteTimeoutMs: shorter(request.firstByteTimeoutMs, TIMEOUTS.firstByteMs),
        ...(key === undefined ? {} : { keep: (connection) => pool.put(key, connection) }),
      };
      const connection = await open(false);
      try {
        return await exchange(connection, exchangeOptions);
      } catch (error) {
        const untouched = connection.reused && connection.bytesRead === 0 && !isOurs(error);
        if (!untouched || request.signal.aborted || (await request.mayResend?.()) === false) throw error;
        return await exchange(await open(true), exchangeOptions);
      }
    },
    async resolve(request) {
      // A port that nothing is sent to: only the name is looked at.
      return await dial(placeOf(request.host, 1), dialOptions(request), async (addresses) => addresses);
    },
    async connect(request) {
      const { host, port, meter, signal } = request;
      return await dial(placeOf(host, port), dialOptions(request), async (_addresses, connect) => {
        const { socket, address } = await connect();
        return connectionOver(socket, { address, port, meter, signal });
      });
    },
  };
}

/** @throws {EgressFailure} when the host has more than one meaning, or none */
function placeOf(host: string, port: number): Target {
  const authority = host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
  const parsed = parseTarget({ method: "", scheme: "http", authority, pathWithQuery: "/" });
  if (!parsed.ok) throw new EgressFailure({ tag: "destination-unavailable" });
  return parsed.target;
}

/** Ended by us (a budget, a timeout, the run's end), not by a connection that was dead already. */
function isOurs(error: unknown): boolean {
  return (
    error instanceof Error &&
    (error.name === "EgressSpent" ||
      (error instanceof EgressFailure && error.word.tag !== "connection-terminated"))
  );
}

function shorter(asked: number | undefined, most: number): number {
  return Math.min(asked ?? most, most);
}

/** Everything that decided about a connection. */
function keyOf({ pool, permit, open, tls }: EgressRequest): string | undefined {
  if (pool === undefined) return undefined;
  const { scheme, host, port } = permit.target;
  const blocks = open.map(({ base, prefix }) => `${base.toString()}/${prefix}`);
  return JSON.stringify([pool, scheme, host, port, blocks, tls ?? null]);
}
