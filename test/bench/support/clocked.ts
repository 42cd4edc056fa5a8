/** Puts a stop-watch around the methods of a part, without the part or its callers knowing. */

/** Milliseconds by step, of one operation at a time. */
export class StopWatch {
  readonly #samples = new Map<string, number[]>();

  /** Adds a sample. */
  add(step: string, ms: number): void {
    const samples = this.#samples.get(step);
    if (samples === undefined) this.#samples.set(step, [ms]);
    else samples.push(ms);
  }

  /** Samples of every step, in the order in which the steps were first seen. */
  get steps(): ReadonlyMap<string, readonly number[]> {
    return this.#samples;
  }

  /** Forgets what was measured while warming up. */
  clear(): void {
    this.#samples.clear();
  }

  /** Times a call, whether its result is a promise or not. */
  time<T>(step: string, call: () => T): T {
    const at = performance.now();
    const result = call();
    if (result instanceof Promise) {
      // Same promise, not the one `then` gives: an extra turn would change what is measured.
      void result.then(
        () => this.add(step, performance.now() - at),
        () => undefined,
      );
    } else this.add(step, performance.now() - at);
    return result;
  }

  /**
   * @param part any object with methods; its other members pass through
   * @param steps method name to step name; methods not named are not timed
   */
  around<Part extends object>(part: Part, steps: { readonly [method in keyof Part]?: string }): Part {
    const watch = this;
    return new Proxy(part, {
      get(target, member) {
        const value: unknown = Reflect.get(target, member, target);
        if (typeof value !== "function") return value;
        const step: unknown = Reflect.get(steps, member);
        return (...args: unknown[]) =>
          typeof step === "string"
            ? watch.time(step, () => Reflect.apply(value, target, args))
            : Reflect.apply(value, target, args);
      },
    });
  }
}
