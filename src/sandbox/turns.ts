/**
 * Who waits for an executor, and whose turn it is: one queue for each tenant, served in turn by weight, so that the
 * burst of one tenant costs another at most a turn. Bounded in length, and a full queue is full first for whoever
 * fills it.
 */

/** Someone who waits. */
export interface Waiter {
  readonly tenant: string;
  readonly sinceMs: number;
}

/** The waiting callers of a pool. */
export interface Turns<W extends Waiter> {
  readonly size: number;
  /**
   * Puts a waiter at the end of its tenant's queue.
   *
   * @returns whom there is no room for: undefined, the new one, or the last of the longest queue
   */
  join(waiter: W): W | undefined;
  /** Takes one out, wherever it stands; it has had no turn. */
  leave(waiter: W): void;
  /**
   * The next turn.
   *
   * @param servable whether a tenant's first waiter can be served now
   * @returns the first waiter of the tenant that had the least so far among those, and counts its turn
   */
  next(servable: (waiter: W) => boolean): W | undefined;
  /** The first waiter of each tenant, the one whose turn is due first at the head. */
  heads(): readonly W[];
  /** Takes everyone out. */
  clear(): readonly W[];
}

interface Line<W> {
  readonly waiters: W[];
  /** Turns had, divided by weight; the least is next. */
  pass: number;
}

/**
 * @param limit waiters in all
 * @param weightOf turns that a tenant gets for each turn of one of weight 1; default 1 for everyone
 */
export function createTurns<W extends Waiter>(
  limit: number,
  weightOf: (tenant: string) => number = () => 1,
): Turns<W> {
  const lines = new Map<string, Line<W>>();
  /** Where a tenant starts that was not waiting: having been away earns no arrears of turns. */
  let now = 0;
  let size = 0;

  function remove(tenant: string, line: Line<W>, index: number): W | undefined {
    const [waiter] = line.waiters.splice(index, 1);
    if (waiter !== undefined) size -= 1;
    // A line that is empty is kept as long as others wait and it is ahead of them: whoever comes back at once each time
    // must not begin anew each time. Nobody waits: nobody can be overtaken.
    if (size === 0) {
      lines.clear();
      now = 0;
    } else if (line.waiters.length === 0 && line.pass <= now) lines.delete(tenant);
    return waiter;
  }

  function inOrder(): readonly (readonly [string, Line<W>])[] {
    return [...lines].sort(([, a], [, b]) => a.pass - b.pass);
  }

  return {
    get size() {
      return size;
    },
    join(waiter) {
      const line = lines.get(waiter.tenant) ?? { waiters: [], pass: now };
      if (size >= limit) {
        const [longest] = [...lines].sort(([, a], [, b]) => b.waiters.length - a.waiters.length);
        if (longest === undefined || longest[1].waiters.length <= line.waiters.length + 1) return waiter;
        const displaced = remove(...longest, longest[1].waiters.length - 1);
        this.join(waiter);
        return displaced;
      }
      lines.set(waiter.tenant, line);
      line.waiters.push(waiter);
      size += 1;
      return undefined;
    },
    leave(waiter) {
      const line = lines.get(waiter.tenant);
      const index = line?.waiters.indexOf(waiter) ?? -1;
      if (line !== undefined && index >= 0) remove(waiter.tenant, line, index);
    },
    next(servable) {
      for (const [tenant, line] of inOrder()) {
        const [first] = line.waiters;
        if (first === undefined || !servable(first)) continue;
        now = Math.max(now, line.pass);
        line.pass += 1 / weightOf(tenant);
        for (const [name, other] of lines)
          if (other.waiters.length === 0 && other.pass <= now) lines.delete(name);
        return remove(tenant, line, 0);
      }
      return undefined;
    },
    heads: () => inOrder().flatMap(([, { waiters }]) => waiters.slice(0, 1)),
    clear() {
      const all = [...lines.values()].flatMap(({ waiters }) => waiters);
      lines.clear();
      size = 0;
      return all;
    },
  };
}
