/** A broker that keeps what it was asked and answers what a test wants. */
import type { HostCall, HostReply, RunHost } from "../../src/ports/index.ts";

/** Where a test bends the fake. */
export interface FakeRunHostFaults {
  /** Answers call number `index`; default: an ok without a value. A throw is a broker with a bug. */
  readonly reply?: (call: HostCall, index: number) => HostReply | Promise<HostReply>;
  readonly denial?: RunHost["denial"];
  /** Searches outputs; default: there is nothing to look for. */
  readonly search?: NonNullable<RunHost["release"]>;
}

/** A {@link RunHost} and what it saw. */
export interface FakeRunHost extends RunHost {
  readonly calls: readonly HostCall[];
  /** How often it was closed. */
  readonly closed: number;
}

/** @param faults default: none, every call is answered ok */
export function createFakeRunHost(faults: FakeRunHostFaults = {}): FakeRunHost {
  const calls: HostCall[] = [];
  let closed = 0;
  return {
    calls,
    get closed() {
      return closed;
    },
    async call(call) {
      calls.push(call);
      return faults.reply?.(call, calls.length - 1) ?? { kind: "ok", value: null };
    },
    ...(faults.search === undefined ? {} : { release: faults.search }),
    close() {
      closed += 1;
    },
    events: [],
    usage: { egress_bytes: 0, requests: 0, log_bytes: 0 },
    denial: faults.denial,
    diagnostics: [],
  };
}
