/** Stands between a run and its host without taking anything away from it. */
import type { RunHost } from "../ports/index.ts";

/**
 * @param call serves the calls in the host's place
 * @returns the same host in all else. The search for secrets is one of it: a run that is watched or noted is searched as
 *   any other
 */
export function withCalls(host: RunHost, call: RunHost["call"]): RunHost {
  return new ForwardingHost(host, call);
}

/**
 * A class, because there is one of each run: V8 makes a hidden class of its own for every object that is written down with
 * getters, which lies in old space, and holds all that they close over until the next full collection.
 */
class ForwardingHost implements RunHost {
  readonly call: RunHost["call"];
  readonly release?: NonNullable<RunHost["release"]>;
  readonly #host: RunHost;

  constructor(host: RunHost, call: RunHost["call"]) {
    this.#host = host;
    this.call = call;
    if (host.release !== undefined) this.release = host.release.bind(host);
  }

  close(): void {
    this.#host.close();
  }

  get events() {
    return this.#host.events;
  }

  get usage() {
    return this.#host.usage;
  }

  get denial() {
    return this.#host.denial;
  }

  get diagnostics() {
    return this.#host.diagnostics;
  }
}
