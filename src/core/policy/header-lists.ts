/**
 * Which header fields a rule lets across, in one direction. Beside these lists, framing and hop-by-hop fields never cross,
 * and fields of a trace cross only where a list names them: whose trace a request belongs to is the host's to say.
 */

/** Lower-case names of fields. A field crosses when `allow` is absent or names it, and `strip` does not. */
export interface HeaderLists {
  readonly allow?: readonly string[];
  readonly strip?: readonly string[];
}

/**
 * Fields that say which trace a message belongs to, either way.
 *
 * @see https://www.w3.org/TR/trace-context/
 */
export const TRACE_FIELDS: readonly string[] = ["traceparent", "tracestate", "traceresponse"];

/** Whether a field crosses. @param name lower-case */
export function headerCrosses(lists: HeaderLists | undefined, name: string): boolean {
  return names(lists, name) && lists?.strip?.includes(name) !== true;
}

/** @returns lists under which exactly those fields cross that cross under both; undefined when all do that may at all */
export function intersectHeaders(
  a: HeaderLists | undefined,
  b: HeaderLists | undefined,
): HeaderLists | undefined {
  if (a?.allow === undefined && b?.allow === undefined) return withStrip(a, b);
  const listed = a?.allow ?? b?.allow ?? [];
  return { allow: listed.filter((name) => names(a, name) && names(b, name)), ...withStrip(a, b) };
}

/** An absent `allow` names every field but those of a trace. */
function names(lists: HeaderLists | undefined, name: string): boolean {
  return lists?.allow === undefined ? !TRACE_FIELDS.includes(name) : lists.allow.includes(name);
}

function withStrip(a: HeaderLists | undefined, b: HeaderLists | undefined): HeaderLists | undefined {
  const strip = [...new Set([...(a?.strip ?? []), ...(b?.strip ?? [])])].sort();
  return strip.length === 0 ? undefined : { strip };
}
