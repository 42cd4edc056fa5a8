/**
 * Egress: the only code in the project that opens an outgoing connection.
 *
 * Order, for every request: strict parse, rule match (`permitRequest`); then resolve, judge every address, connect
 * to a judged one, look at the far end again, TLS for the policy's host, send without following redirects, meter
 * every byte (`createEgress`).
 */
import type { Clock, Resolver } from "../../ports/index.ts";
import type { AddressBlock } from "./addresses.ts";
import { dial } from "./dial.ts";
import { type EgressResponse, exchange } from "./exchange.ts";
import type { Header } from "./headers.ts";
import type { Meter } from "./meter.ts";
import type { Permit } from "./permit.ts";

export { type AddressBlock, type AddressVerdict, checkAddress, parseBlock } from "./addresses.ts";
export { EgressFailure, EgressSpent, type ErrorCode, wordOf } from "./errors.ts";
export type { EgressResponse } from "./exchange.ts";
export { type Header, type Injection, requestHeaders, responseHeaders } from "./headers.ts";
export type { Meter } from "./meter.ts";
export { type Denial, type Permit, permitRequest } from "./permit.ts";
export { parseTarget, visible } from "./target.ts";

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
}

/** One request. `permit` comes from `permitRequest` and nowhere else. */
export interface EgressRequest {
  readonly permit: Permit;
  /** From `requestHeaders`. */
  readonly headers: readonly Header[];
  readonly body: Uint8Array;
  readonly open: readonly AddressBlock[];
  readonly meter: Meter;
  readonly signal: AbortSignal;
  readonly connectTimeoutMs?: number;
  readonly firstByteTimeoutMs?: number;
}

/** Makes requests. */
export interface Egress {
  /**
   * @throws {EgressFailure | EgressSpent | Error} `wordOf` names it for the guest
   */
  send(request: EgressRequest): Promise<EgressResponse>;
}

/** Creates the egress of one broker. Holds no connection of its own: each request brings and ends one. */
export function createEgress(options: EgressOptions): Egress {
  const { resolver, clock, certificateAuthorities, idleTimeoutMs = TIMEOUTS.idleMs } = options;
  return {
    async send({ permit, headers, body, open, meter, signal, connectTimeoutMs, firstByteTimeoutMs }) {
      const socket = await dial(permit.target, {
        resolver,
        clock,
        open,
        signal,
        timeoutMs: Math.min(connectTimeoutMs ?? TIMEOUTS.connectMs, TIMEOUTS.connectMs),
        ...(certificateAuthorities === undefined ? {} : { certificateAuthorities }),
      });
      return exchange(socket, {
        permit,
        headers,
        body,
        meter,
        clock,
        signal,
        idleTimeoutMs,
        firstByteTimeoutMs: Math.min(firstByteTimeoutMs ?? TIMEOUTS.firstByteMs, TIMEOUTS.firstByteMs),
      });
    },
  };
}
