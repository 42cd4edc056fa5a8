/** Names for runs and spans: unguessable, and runs in the order of their making. */
import { toHex } from "../core/digest.ts";
import type { Clock, Entropy } from "../ports/index.ts";

/** Crockford's base32: no I, L, O, U. */
const DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/**
 * @returns `run_` and a ULID: 48 bits of wall clock in ms, then 80 random bits
 * @see https://github.com/ulid/spec
 */
export function newRunId(clock: Clock, entropy: Entropy): string {
  return newId("run_", clock, entropy);
}

/** @returns `act_` and a ULID: the name of something that an operator did */
export function newActionId(clock: Clock, entropy: Entropy): string {
  return newId("act_", clock, entropy);
}

/** The text that every run of that moment and later sorts behind. */
export function firstRunOf(ms: number): string {
  return `run_${digitsOf(BigInt(Math.max(0, ms)), 10)}`;
}

function newId(prefix: string, clock: Clock, entropy: Entropy): string {
  let value = BigInt(clock.nowMs());
  for (const byte of entropy.bytes(10)) value = (value << 8n) | BigInt(byte);
  return prefix + digitsOf(value, 26);
}

function digitsOf(value: bigint, length: number): string {
  let text = "";
  for (let left = value; text.length < length; left >>= 5n) text = DIGITS.charAt(Number(left & 31n)) + text;
  return text;
}

/** A W3C trace context with a span of our own in it. */
export interface Trace {
  /** 32 lower-case hex digits. */
  readonly traceId: string;
  /** Our span: 16 lower-case hex digits. */
  readonly spanId: string;
  /** As it goes out: the caller's trace, our span. */
  readonly traceparent: string;
}

/**
 * Continues the caller's trace, or begins one.
 *
 * @param traceparent valid, version 00, or absent
 * @see https://www.w3.org/TR/trace-context/#traceparent-header
 */
export function continueTrace(traceparent: string | undefined, entropy: Entropy): Trace {
  const [, traceId = toHex(entropy.bytes(16)), , flags = "01"] = traceparent?.split("-") ?? [];
  const spanId = toHex(entropy.bytes(8));
  return { traceId, spanId, traceparent: `00-${traceId}-${spanId}-${flags}` };
}
