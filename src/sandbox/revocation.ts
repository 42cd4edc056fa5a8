/** The word that a run may not go on, for all the places where a run can be when it comes. */

/** One run's revocation. */
export class Revocation {
  #reason: string | undefined;
  #tell = (_reason: string): void => undefined;
  readonly #came = Promise.withResolvers<string>();
  readonly #stop: () => void;

  /** @param onRevoked of the run; may speak at once */
  constructor(onRevoked: ((revoke: (reason: string) => void) => () => void) | undefined) {
    this.#stop =
      onRevoked?.((reason) => {
        this.#reason ??= reason;
        this.#came.resolve(reason);
        this.#tell(reason);
      }) ?? (() => undefined);
  }

  /** Absent while the run may go on. */
  get reason(): string | undefined {
    return this.#reason;
  }

  /** Waits for something, unless the word comes first. @returns undefined when it did; the other is waited for no more */
  async before<T>(awaited: Promise<T>): Promise<T | undefined> {
    if (this.#reason !== undefined) return undefined;
    return await Promise.race([awaited, this.#came.promise.then(() => undefined)]);
  }

  /** From now on this is told, instead of what was told before; at once when the word has come. */
  tell(revoke: (reason: string) => void): void {
    this.#tell = revoke;
    if (this.#reason !== undefined) revoke(this.#reason);
  }

  /** The run is over. */
  end(): void {
    this.#stop();
  }
}
