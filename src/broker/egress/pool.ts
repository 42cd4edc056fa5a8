/**
 * Connections that wait for the next request to the same place by the same right.
 *
 * INVARIANT: a connection serves one key only, and a key names everything that decided about it: tenant and policy,
 * the operator's and the profile's settings, scheme, host and port. A request takes one only after its own look-up
 * and its own judgement of every address, and only if it leads to one of those.
 */
import type { Clock } from "../../ports/index.ts";
import type { Connection } from "./connection.ts";

/** How long a connection waits: short of what servers commonly allow (5 s and more), so that few are closed under us. */
const IDLE_MS = 4_000;

/** Idle connections per key, and in all. */
const MOST_PER_KEY = 64;
const MOST = 512;

interface Idle {
  readonly key: string;
  readonly connection: Connection;
  /** Stops the clock, and listening to the socket. */
  readonly release: () => void;
}

/** The idle connections of one egress. */
export class ConnectionPool {
  readonly #clock: Clock;
  /** Oldest first, both in all and of each key. */
  readonly #idle = new Set<Idle>();
  readonly #byKey = new Map<string, Set<Idle>>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @returns the connection of this key that waited least, leading to one of `addresses`; undefined = there is none */
  take(key: string, addresses: readonly string[]): Connection | undefined {
    const found = [...(this.#byKey.get(key) ?? [])].findLast(
      ({ connection }) => connection.alive && addresses.includes(connection.address),
    );
    if (found === undefined) return undefined;
    this.#forget(found);
    found.connection.wake();
    return found.connection;
  }

  /** Keeps a connection whose response was read to its end; one that is over, or one too many, is closed. */
  put(key: string, connection: Connection): void {
    const same = this.#byKey.get(key) ?? new Set();
    if (!connection.alive || same.size >= MOST_PER_KEY) {
      connection.close();
      return;
    }
    connection.rest();
    const end = () => {
      this.#forget(idle);
      connection.close();
    };
    const cancel = this.#clock.after(IDLE_MS, end);
    const unlisten = connection.onClose(() => this.#forget(idle));
    const release = () => {
      cancel();
      unlisten();
    };
    const idle: Idle = { key, connection, release };
    this.#idle.add(idle);
    this.#byKey.set(key, same.add(idle));
    const [oldest] = this.#idle;
    if (this.#idle.size > MOST && oldest !== undefined) {
      this.#forget(oldest);
      oldest.connection.close();
    }
  }

  #forget(idle: Idle): void {
    idle.release();
    this.#idle.delete(idle);
    const same = this.#byKey.get(idle.key);
    same?.delete(idle);
    if (same?.size === 0) this.#byKey.delete(idle.key);
  }
}
