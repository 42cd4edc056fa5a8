/**
 * Opens connections: the one place in the project that does.
 *
 * A name is resolved here, every address it has is judged, and the socket goes to a judged address, never to the
 * name: between the check and the connect there is no second look-up for a rebinding attacker to win.
 */
import type { Duplex } from "node:stream";
import { rootCertificates } from "node:tls";
import { buildConnector } from "undici";
import type { Clock, Resolver } from "../../ports/index.ts";
import {
  type AddressBlock,
  type AddressVerdict,
  BLOCKED,
  canonicalAddress,
  checkAddress,
} from "./addresses.ts";
import { type BlockList, isHostBlocked } from "./block-list.ts";
import { type Barrier, EgressFailure, type ErrorTag } from "./errors.ts";
import { HeldBack } from "./held-back.ts";
import { type EgressProxy, openTunnel } from "./proxy.ts";
import { type SharedReads, type SharedReadsOption, shareReads } from "./shared-reads.ts";
import type { Socket } from "./socket.ts";
import type { Target } from "./target.ts";

/** Whom TLS trusts and as whom it speaks. All PEM. */
export interface TlsOptions {
  /** Trusted instead of the runtime's own; absent = the runtime's. */
  readonly certificateAuthorities?: readonly string[];
  /** Trusted beside those; default none. */
  readonly extraAuthorities?: readonly string[];
  /** The client's certificate, shown to a server that asks for one. */
  readonly client?: { readonly certificate: string; readonly key: string };
}

/** What dialing needs of the world and of the operator. */
export interface DialOptions {
  readonly resolver: Resolver;
  readonly clock: Clock;
  /** Blocks opened for this request. */
  readonly open: readonly AddressBlock[];
  readonly blocked: BlockList;
  readonly tls: TlsOptions;
  /** See `EgressOptions`. */
  readonly tlsHoldsBack: boolean;
  /** Absent = straight to the address. */
  readonly proxy?: EgressProxy;
  /** For look-up, TCP and TLS together. */
  readonly timeoutMs: number;
  /** The run's end. */
  readonly signal: AbortSignal;
}

/** Chooses a socket for judged addresses: an idle one that leads to one of them, or `connect()`'s. */
export type Choose<T> = (addresses: readonly string[], connect: () => Promise<Dialed>) => Promise<T>;

/** A new connection, and the judged address that it leads to. */
export interface Dialed {
  readonly socket: Socket;
  readonly address: string;
  /** Absent = it reads in its own way. */
  readonly reads?: SharedReads;
}

/** More answers than this are not an answer but an attack. */
const MAX_ADDRESSES = 64;

/** Addresses tried one after the other; the timeout is for all of them together. */
const MAX_ATTEMPTS = 4;

/**
 * The kernel is asked for more only when nothing waits to be counted: what arrives beyond a budget is one read.
 * A name of its own, because undici hands it on to the socket and its type does not know it.
 */
const NO_READ_AHEAD = { highWaterMark: 1 };

/**
 * Resolves a target, judges every address, and lets `choose` take a connection to one of them, all within the timeout.
 *
 * @throws {EgressFailure} with the guest's word
 */
export async function dial<T>(target: Target, options: DialOptions, choose: Choose<T>): Promise<T> {
  const ended = new AbortController();
  let phase: ErrorTag = "DNS-timeout";
  const onEnd = () => ended.abort(new EgressFailure({ tag: "connection-terminated" }));
  const cancel = options.clock.after(options.timeoutMs, () => ended.abort(new EgressFailure({ tag: phase })));
  options.signal.addEventListener("abort", onEnd, { once: true });
  try {
    if (options.signal.aborted) onEnd();
    const addresses = await addressesOf(target, options, ended.signal);
    phase = "connection-timeout";
    return await choose(addresses, () => connectToOneOf(addresses, target, options, ended.signal));
  } finally {
    cancel();
    options.signal.removeEventListener("abort", onEnd);
  }
}

/** @returns every address of the target, in canonical spelling; all of them may be connected to. */
async function addressesOf(
  target: Target,
  { resolver, open, blocked }: DialOptions,
  signal: AbortSignal,
): Promise<readonly string[]> {
  if (isHostBlocked(blocked, target.host)) throw prohibited({ kind: "blocked" });
  const answers = target.literal ? [target.host] : await lookUp(resolver, target.host, signal);
  if (answers.length === 0) throw new EgressFailure({ tag: "DNS-error", val: { rcode: "NXDOMAIN" } });
  const verdicts = answers.map((answer) => checkAddress(answer, open, blocked.addresses));
  // One bad address spoils the name: with round-robin answers, picking the good ones only would let an attacker
  // keep trying until another layer picks the bad one.
  const allowed = verdicts.flatMap((verdict) => (verdict.allowed ? [verdict.address] : []));
  if (allowed.length < answers.length || answers.length > MAX_ADDRESSES)
    throw prohibited(barrierOf(verdicts));
  return allowed;
}

/** What stands in the way of all that were judged; undefined where opening blocks would not help. */
function barrierOf(verdicts: readonly AddressVerdict[]): Barrier | undefined {
  const denied = verdicts.flatMap((verdict) => (verdict.allowed ? [] : [verdict]));
  const blocks = [...new Set(denied.flatMap(({ block }) => block ?? []))];
  if (blocks.length > 0 && denied.every(({ block }) => block !== undefined))
    return { kind: "closed", blocks };
  return denied.some(({ why }) => why === BLOCKED) ? { kind: "blocked" } : undefined;
}

function prohibited(barrier: Barrier | undefined): EgressFailure {
  return new EgressFailure({ tag: "destination-IP-prohibited" }, barrier === undefined ? {} : { barrier });
}

async function lookUp(resolver: Resolver, host: string, signal: AbortSignal): Promise<readonly string[]> {
  signal.throwIfAborted();
  // The race keeps the time limit even when the system's resolver can not be interrupted.
  let onAbort = () => {};
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
  });
  try {
    return await Promise.race([resolver.resolve(host, signal), aborted]);
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    throw new EgressFailure({ tag: "DNS-error", val: {} }, { cause: error });
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

async function connectToOneOf(
  addresses: readonly string[],
  target: Target,
  options: DialOptions,
  signal: AbortSignal,
): Promise<Dialed> {
  let failure: unknown;
  for (const address of addresses.slice(0, MAX_ATTEMPTS)) {
    try {
      return { ...(await connect(address, target, options, signal)), address };
    } catch (error) {
      if (signal.aborted || error instanceof EgressFailure) throw error;
      failure = error;
    }
  }
  throw failure;
}

async function connect(
  address: string,
  target: Target,
  options: DialOptions,
  signal: AbortSignal,
): Promise<Omit<Dialed, "address">> {
  const { proxy, tls, tlsHoldsBack } = options;
  const secure = target.scheme === "https";
  if (proxy === undefined && (tlsHoldsBack || !secure)) {
    const shared = shareReads();
    const to = { hostname: address, port: target.port, onread: shared.onread };
    const socket = await open(secure ? { ...to, ...secured(target, tls) } : to, signal);
    return { socket, reads: shared.over(socket) };
  }
  const socket = await (proxy === undefined
    ? open({ hostname: address, port: target.port }, signal)
    : tunnelTo({ address, port: target.port, signal }, proxy, options.resolver));
  if (!secure) return { socket };
  const over = tlsHoldsBack ? socket : new HeldBack(socket);
  const to = { hostname: address, port: target.port, ...secured(target, tls), over };
  const inside = await open(to, signal);
  if (over instanceof HeldBack) over.carry(inside);
  return { socket: inside };
}

/** The certificate is checked against the policy's host; the address is only where the packets go. */
function secured(target: Target, tls: TlsOptions): Pick<Opening, "tls" | "servername"> {
  return { tls, ...(target.literal ? {} : { servername: target.host }) };
}

/** A way to a judged address through the operator's proxy. */
async function tunnelTo(
  to: { readonly address: string; readonly port: number; readonly signal: AbortSignal },
  proxy: EgressProxy,
  resolver: Resolver,
): Promise<Socket> {
  const [hostname = proxy.host] =
    canonicalAddress(proxy.host) === undefined ? await lookUp(resolver, proxy.host, to.signal) : [];
  const tunnel = await open({ hostname, port: proxy.port }, to.signal);
  await openTunnel(tunnel, proxy, to);
  return tunnel;
}

interface Opening {
  /** An address, never a name. */
  readonly hostname: string;
  readonly port: number;
  readonly servername?: string;
  /** Absent = plain TCP. */
  readonly tls?: TlsOptions;
  /** A connection to speak TLS over, instead of a new one: a tunnel, or one that is held back. */
  readonly over?: Duplex;
  /** Where it reads to, in place of memory of its own. */
  readonly onread?: SharedReadsOption["onread"];
}

function open(
  { hostname, port, servername, tls, over, onread }: Opening,
  signal: AbortSignal,
): Promise<Socket> {
  const connector = buildConnector({
    allowH2: false,
    timeout: 0, // ours is the one that counts
    ...NO_READ_AHEAD,
    ...(onread === undefined ? {} : { onread }),
    maxCachedSessions: 0, // a TLS session shared between runs would link them
    // Said aloud, so that NODE_TLS_REJECT_UNAUTHORIZED in the operator's environment changes nothing.
    rejectUnauthorized: true,
    ...(tls === undefined ? {} : trustOf(tls)),
  });
  return new Promise<Socket>((resolve, reject) => {
    let started: unknown;
    const onAbort = () => {
      destroy(started);
      over?.destroy();
      reject(signal.reason);
    };
    if (signal.aborted) return onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
    // The connector returns the socket it is connecting, though its type says void: needed to destroy it early.
    started = connector(
      {
        hostname,
        protocol: tls === undefined ? "http:" : "https:",
        port: String(port),
        ...(servername === undefined ? {} : { servername }),
        // TLS speaks over any stream, though the connector's type names sockets only.
        ...(over === undefined ? {} : { httpSocket: over as Socket }),
      },
      (error, socket) => {
        signal.removeEventListener("abort", onAbort);
        if (error !== null) {
          over?.destroy();
          return reject(error);
        }
        if (signal.aborted) {
          socket.destroy();
          return reject(signal.reason);
        }
        // Nobody listens between here and the exchange; without a listener an error would end the process.
        socket.on("error", () => {});
        // What it speaks over was looked at when that was opened.
        if (over === undefined && !reached(socket, hostname, port)) {
          socket.destroy();
          return reject(new EgressFailure({ tag: "destination-IP-prohibited" }));
        }
        resolve(socket);
      },
    );
  });
}

function trustOf({ certificateAuthorities, extraAuthorities = [], client }: TlsOptions) {
  const trusted =
    extraAuthorities.length === 0
      ? certificateAuthorities
      : [...(certificateAuthorities ?? rootCertificates), ...extraAuthorities];
  return {
    ...(trusted === undefined ? {} : { ca: [...trusted] }),
    ...(client === undefined ? {} : { cert: client.certificate, key: client.key }),
  };
}

/** INVARIANT: no byte is written to a socket whose far end is not the address that was judged. */
function reached(socket: Socket, address: string, port: number): boolean {
  const remote = socket.remoteAddress ?? "";
  // A dual-stack socket spells an IPv4 peer as mapped.
  const plain = canonicalAddress(remote.replace(/^::ffff:(?=[0-9.]+$)/i, ""));
  return plain === address && socket.remotePort === port;
}

function destroy(socket: unknown): void {
  if (typeof socket !== "object" || socket === null || !("destroy" in socket)) return;
  if ("on" in socket && typeof socket.on === "function") socket.on("error", () => {});
  if (typeof socket.destroy === "function") socket.destroy();
}
