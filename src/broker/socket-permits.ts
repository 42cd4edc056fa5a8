/**
 * What a run's rules permit its sockets, before anything is resolved or connected. Pure but for what it remembers: which
 * granted names an address was an answer for. A guest connects to addresses and a policy names hosts; this joins the two.
 */
import { matchSocket, type SocketMatch, type SocketRule } from "../core/policy/index.ts";
import { canonicalAddress, visible } from "./egress/index.ts";

/** Leave to look up or to connect, or none. `target` and `clause` are what its event says. */
export interface SocketPermit extends SocketMatch {
  readonly target: string;
}

/** The permits of one run. */
export class SocketPermits {
  readonly #rules: readonly SocketRule[];
  readonly #names = new Map<string, Set<string>>();

  /** @param rules none permits nothing */
  constructor(rules: readonly SocketRule[]) {
    this.#rules = rules;
  }

  /** @param host lower-case; attacker-controlled */
  lookUp(host: string): SocketPermit {
    return { target: visible(host).slice(0, 200), ...matchSocket(this.#rules, host) };
  }

  /** Notes what a permitted look-up answered. */
  remember(host: string, addresses: readonly string[]): void {
    for (const address of addresses)
      this.#names.set(address, (this.#names.get(address) ?? new Set()).add(host));
  }

  /** @param asked an address in any plain spelling */
  connection(asked: string, port: number): SocketPermit {
    const address = canonicalAddress(asked) ?? asked;
    const permits = [...(this.#names.get(address) ?? []), address].map((host) => ({
      target: visible(`tcp://${host.includes(":") ? `[${host}]` : host}:${port}`).slice(0, 200),
      ...matchSocket(this.#rules, host, port),
    }));
    // Where nothing permits it, the name that was looked up says more to whoever may allow it than its address does.
    const [nearest = { target: "", allowed: false, clause: "sockets" }] = permits;
    return permits.find(({ allowed }) => allowed) ?? nearest;
  }
}
