/**
 * The `traceparent` request header.
 *
 * @see https://www.w3.org/TR/trace-context/#traceparent-header
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
