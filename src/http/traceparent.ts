/**
 * The request headers `traceparent` and `tracestate`.
 *
 * @see https://www.w3.org/TR/trace-context/
 */

const FORMAT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;

/**
 * Reads a traceparent strictly. Attacker-controlled, and bound for the manifest: hence the normal form.
 *
 * @param header as sent; two headers arrive joined by a comma, and are then no traceparent
 * @returns the same in version 00 with no flag but `sampled`; `undefined` when absent or invalid, which begins a new trace
 *
 * @example
 * ```ts
 * parseTraceparent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
 * ```
 */
export function parseTraceparent(header: string | undefined): string | undefined {
  const match = FORMAT.exec(header ?? "");
  if (match === null) return undefined;
  const [, version = "", traceId = "", spanId = "", flags = "", rest] = match;
  // ff is forbidden (section 3.2.2.1); 00 has exactly four fields; later versions may add some, which are dropped.
  if (version === "ff" || (version === "00" && rest !== undefined)) return undefined;
  if (/^0+$/.test(traceId) || /^0+$/.test(spanId)) return undefined;
  const sampled = Number.parseInt(flags, 16) & 1;
  return `00-${traceId}-${spanId}-0${sampled}`;
}

/** A list of at most 32 members, `key=value`; keys may have a tenant before an `@`. */
const KEY = "(?:[a-z][a-z0-9_*/-]{0,255}|[a-z0-9][a-z0-9_*/-]{0,240}@[a-z][a-z0-9_*/-]{0,13})";
const VALUE = String.raw`[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]`;
const MEMBER = new RegExp(`^${KEY}=${VALUE}$`);
const MOST_MEMBERS = 32;
/** What every system has to pass on; ours passes on no more. */
const MOST_LETTERS = 512;

/**
 * Reads a tracestate strictly. Attacker-controlled, and bound for services: hence nothing that could end a header.
 *
 * @param header as sent; several arrive joined by commas, which is how they are meant
 * @returns its members, unchanged and in their order; `undefined` when absent, invalid, or too long
 *
 * @see https://www.w3.org/TR/trace-context/#tracestate-header
 */
export function parseTracestate(header: string | undefined): string | undefined {
  if (header === undefined || header.length > MOST_LETTERS) return undefined;
  const members = header
    .split(",")
    .map((member) => member.replace(/^[ \t]+|[ \t]+$/g, ""))
    .filter((member) => member !== "");
  const keys = new Set(members.map((member) => member.slice(0, member.indexOf("="))));
  if (members.length === 0 || members.length > MOST_MEMBERS || keys.size < members.length) return undefined;
  return members.every((member) => MEMBER.test(member)) ? members.join(",") : undefined;
}
