/** Which header fields a rule lets across, in one direction. Beside these lists, framing and hop-by-hop fields never cross. */

/** Lower-case names of fields. A field crosses when `allow` is absent or names it, and `strip` does not. */
export interface HeaderLists {
  readonly allow?: readonly string[];
  readonly strip?: readonly string[];
}

/** Whether a field crosses. @param name lower-case */
export function headerCrosses(lists: HeaderLists | undefined, name: string): boolean {
  if (lists === undefined) return true;
  return (lists.allow === undefined || lists.allow.includes(name)) && lists.strip?.includes(name) !== true;
}

/** @returns lists under which exactly those fields cross that cross under both; undefined when all do */
export function intersectHeaders(
  a: HeaderLists | undefined,
  b: HeaderLists | undefined,
): HeaderLists | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  const allow = a.allow === undefined ? b.allow : a.allow.filter((name) => b.allow?.includes(name) ?? true);
  const strip = [...new Set([...(a.strip ?? []), ...(b.strip ?? [])])].sort();
  return { ...(allow === undefined ? {} : { allow }), ...(strip.length === 0 ? {} : { strip }) };
}
