/** Keeps what was used last, up to a number of bytes. */

/** A map that forgets its least recently used entries. */
export interface Kept<V> {
  /** Counts as a use. */
  get(key: string): V | undefined;
  /** Keeps a value; one that is larger than the whole limit is not kept. */
  set(key: string, value: V): void;
  /** The one that was used last first; counts as no use. */
  values(): readonly V[];
}

/**
 * @param limitBytes of all values together
 * @param bytesOf one value's size
 */
export function createKept<V>(limitBytes: number, bytesOf: (value: V) => number): Kept<V> {
  // A Map iterates in the order of insertion: the first entry is the one that was used longest ago.
  const entries = new Map<string, V>();
  let bytes = 0;

  function forget(key: string): void {
    const value = entries.get(key);
    if (value !== undefined && entries.delete(key)) bytes -= bytesOf(value);
  }

  return {
    get(key) {
      const value = entries.get(key);
      if (value === undefined) return undefined;
      entries.delete(key);
      entries.set(key, value);
      return value;
    },
    set(key, value) {
      forget(key);
      entries.set(key, value);
      bytes += bytesOf(value);
      for (const oldest of entries.keys()) {
        if (bytes <= limitBytes) return;
        forget(oldest);
      }
    },
    values: () => [...entries.values()].reverse(),
  };
}
