/** Stands between a run and its host without taking anything away from it. */
import type { RunHost } from "../ports/index.ts";

/**
 * @param call serves the calls in the host's place
 * @returns the same host in all else. The search for secrets is one of it: a run that is watched or noted is searched as
 *   any other
 */
export function withCalls(host: RunHost, call: RunHost["call"]): RunHost {
  const { release } = host;
  return {
    call,
    ...(release === undefined ? {} : { release: release.bind(host) }),
    close: () => host.close(),
    get events() {
      return host.events;
    },
    get usage() {
      return host.usage;
    },
    get denial() {
      return host.denial;
    },
    get diagnostics() {
      return host.diagnostics;
    },
  };
}
