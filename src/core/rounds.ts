/**
 * Work that is done again and again, one round at a time. It ends when it is told to, and then it has ended: a round that
 * still wrote after its house was closed would write into what is another's by then, or is gone.
 *
 * Whoever asks for it gives the clock.
 */

/** What is done in rounds. */
export interface RoundsOptions {
  /** Calls `action` once after `ms`; what it returns takes that back. */
  readonly clock: { after(ms: number, action: () => void): () => void };
  /** Pause between the end of one round and the beginning of the next, in ms; asked for before each pause. */
  readonly everyMs: () => number;
  /** Whether the first round begins at once and not after a pause; default false. */
  readonly atOnce?: boolean;
  /** One round. */
  readonly work: () => Promise<unknown>;
  /** Told of a round that failed; the next one tries again. Must not throw. */
  readonly onError: (error: unknown) => void;
}

/**
 * Begins the rounds.
 *
 * @returns ends them: no round begins any more, and once it resolves none is under way. It may be called again
 * @example
 * ```ts
 * const timers: (() => void)[] = [];
 * const clock = { after: (_ms: number, action: () => void) => (timers.push(action), () => void timers.pop()) };
 * const stop = beginRounds({ clock, everyMs: () => 5_000, work: async () => undefined, onError: () => undefined });
 * timers.pop()?.(); // the first round
 * await stop();
 * ```
 */
export function beginRounds({
  clock,
  everyMs,
  atOnce = false,
  work,
  onError,
}: RoundsOptions): () => Promise<void> {
  let stopped = false;
  let underWay: Promise<void> | undefined;
  let cancel = (): void => undefined;

  async function round(): Promise<void> {
    try {
      await work();
    } catch (error) {
      onError(error);
    }
    if (!stopped) pause();
  }

  function pause(): void {
    cancel = clock.after(everyMs(), begin);
  }

  function begin(): void {
    underWay = round();
  }

  if (atOnce) begin();
  else pause();
  return async () => {
    stopped = true;
    cancel();
    await underWay;
  };
}
