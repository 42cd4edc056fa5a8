/** Spans of time as people write them, and instants as scripts read them. */
import { UsageError } from "./usage-error.ts";

const UNIT_MS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 };
/** Ten years: a longer word is a mistake in it. */
const LONGEST_MS = 3650 * 86_400_000;

/**
 * @param text such as `12h` or `30d`
 * @param what begins the message: what can not be done, and by which flag
 * @returns ms
 * @throws {UsageError}
 */
export function readSpan(text: string, what: string): number {
  const [, digits = "", unit = ""] = /^([1-9][0-9]{0,6})([mhd])$/.exec(text) ?? [];
  const spanMs = Number(digits) * (UNIT_MS[unit] ?? Number.NaN);
  if (!(spanMs > 0 && spanMs <= LONGEST_MS)) {
    throw new UsageError(`${what} is ${JSON.stringify(text)}, wanted 1m to 3650d, in m, h or d`);
  }
  return spanMs;
}

/** RFC 3339, UTC. */
export function instant(ms: number): string {
  return new Date(ms).toISOString();
}
