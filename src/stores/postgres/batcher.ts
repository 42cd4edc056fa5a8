/**
 * Groups what waits, so that one round trip and one sync to the server's disk make all of it durable. One group is under
 * way at a time; what comes meanwhile is the next one, so groups grow by themselves under load.
 */

/** At most this many share a group. */
const MAX_GROUP = 256;

/** What became of one of a group. */
export type Settled<Out> = { readonly value: Out } | { readonly error: unknown };

interface Waiting<In, Out> {
  readonly item: In;
  readonly done: PromiseWithResolvers<Out>;
}

/** The only door for one kind of write. */
export class Batcher<In, Out> {
  readonly #flush: (items: readonly In[]) => Promise<readonly Settled<Out>[]>;
  readonly #nextTurn: (action: () => void) => void;
  #waiting: Waiting<In, Out>[] = [];
  #working: Promise<void> | undefined;
  #closed = false;

  /**
   * @param flush what became of each, in order; what it throws became of all
   * @param nextTurn calls its argument once, after what the event loop has at hand
   */
  constructor(
    flush: (items: readonly In[]) => Promise<readonly Settled<Out>[]>,
    nextTurn: (action: () => void) => void,
  ) {
    this.#flush = flush;
    this.#nextTurn = nextTurn;
  }

  /** @returns what became of it, once that is durable */
  add(item: In): Promise<Out> {
    if (this.#closed) return Promise.reject(new Error("Cannot write to store: it is closed"));
    const done = Promise.withResolvers<Out>();
    this.#waiting.push({ item, done });
    this.#working ??= this.#work();
    return done.promise;
  }

  /** Refuses what comes later, and waits for the rest. */
  async drain(): Promise<void> {
    this.#closed = true;
    await this.#working;
  }

  async #work(): Promise<void> {
    await new Promise<void>(this.#nextTurn);
    while (this.#waiting.length > 0) await this.#flushGroup(this.#waiting.splice(0, MAX_GROUP));
    // In the same turn in which nothing was left: whoever adds after it begins anew.
    this.#working = undefined;
  }

  async #flushGroup(group: readonly Waiting<In, Out>[]): Promise<void> {
    try {
      const settled = await this.#flush(group.map(({ item }) => item));
      for (const [index, { done }] of group.entries()) {
        const became = settled[index] ?? {
          error: new TypeError("Cannot write to store: nothing became of it"),
        };
        if ("error" in became) done.reject(became.error);
        else done.resolve(became.value);
      }
    } catch (error) {
      for (const { done } of group) done.reject(error);
    }
  }
}
