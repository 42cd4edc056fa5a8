/** Pages of lists that are kept whole in memory and are told by name. */

/** Some of a list, and the name that the page after it is asked for with; absent on the last. */
export interface NamedPage<T> {
  readonly items: readonly T[];
  readonly next?: string;
}

/**
 * Cuts a page, by names in the order of their UTF-16 code units. A name that is gone is a place all the same.
 *
 * @param after only what comes behind this name; default: from the first
 * @example
 * ```ts
 * pageByName(["b", "a", "c"], (name) => name, 2); // { items: ["a", "b"], next: "b" }
 * ```
 */
export function pageByName<T>(
  all: readonly T[],
  nameOf: (item: T) => string,
  limit: number,
  after?: string,
): NamedPage<T> {
  const rest = all
    .filter((item) => after === undefined || nameOf(item) > after)
    .sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : Number(nameOf(a) > nameOf(b))));
  const items = rest.slice(0, limit);
  const last = items.at(-1);
  return rest.length > limit && last !== undefined ? { items, next: nameOf(last) } : { items };
}
