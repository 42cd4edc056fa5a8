/**
 * Who may have how many of a gateway's connections at once. Claims wait for one another's rows, on however many
 * gateways; without lanes they would take every connection to wait on, and then no run could be admitted or sealed.
 *
 * Whoever waits for a connection of its lane is served in order, and not for ever. Waiting is counted in turns of this
 * process and not by the clock: a process that the machine does not let run has not found its database busy.
 */
import { GatewayError } from "../../core/errors.ts";
import type { PostgresConnection, PostgresServer } from "../../ports/index.ts";

/** How long a turn is, when the process gets it in time. */
const TURN_MS = 100;
/** Turns after which whoever waits is refused. */
const PATIENCE = 50;

/** One server's connections, by what they are for. Their sum is what the server has. */
export interface Lanes {
  /** Seals: one transaction at a time, and nothing is answered without. */
  readonly sealing: PostgresServer;
  /** Intents of runs that claim nothing: one statement at a time. */
  readonly admitting: PostgresServer;
  /** Intents of runs that claim: each a transaction, which may wait for others of other gateways. */
  readonly claiming: PostgresServer;
  /** Everything else. */
  readonly others: PostgresServer;
}

/**
 * @param server closed by whoever opened it; of at least four connections
 * @param patience turns of 100 ms
 */
export function createLanes(server: PostgresServer, patience = PATIENCE): Lanes {
  const shared = server.connections - 2;
  const claiming = Math.floor(shared / 2);
  return {
    sealing: new Lane(server, "sealing", 1, patience),
    admitting: new Lane(server, "admitting", 1, patience),
    claiming: new Lane(server, "claiming", claiming, patience),
    others: new Lane(server, "reading and writing", shared - claiming, patience),
  };
}

interface Waiting {
  readonly proceed: () => void;
}

class Lane implements PostgresServer {
  readonly connections: number;
  readonly #server: PostgresServer;
  readonly #purpose: string;
  readonly #patience: number;
  readonly #waiting = new Set<Waiting>();
  #free: number;

  constructor(server: PostgresServer, purpose: string, connections: number, patience: number) {
    this.#server = server;
    this.#purpose = purpose;
    this.#patience = patience;
    this.connections = connections;
    this.#free = connections;
  }

  async connect(): Promise<PostgresConnection> {
    if (this.#free > 0) this.#free--;
    else await this.#turn();
    try {
      const connection = await this.#server.connect();
      return {
        send: (queries) => connection.send(queries),
        release: (broken) => {
          connection.release(broken);
          this.#pass();
        },
      };
    } catch (error) {
      this.#pass();
      throw error;
    }
  }

  /** The server is closed by whoever opened it. */
  async close(): Promise<void> {}

  /** Gives a place to whoever waited longest. */
  #pass(): void {
    const [next] = this.#waiting;
    if (next === undefined) this.#free++;
    else next.proceed();
  }

  #turn(): Promise<void> {
    return new Promise((resolve, reject) => {
      let turns = 0;
      let timer: ReturnType<typeof setTimeout>;
      const waiting: Waiting = {
        proceed: () => {
          clearTimeout(timer);
          this.#waiting.delete(waiting);
          resolve();
        },
      };
      const wait = (): void => {
        timer = setTimeout(() => {
          if (++turns < this.#patience) wait();
          else {
            this.#waiting.delete(waiting);
            reject(this.#busy());
          }
        }, TURN_MS);
      };
      this.#waiting.add(waiting);
      wait();
    });
  }

  #busy(): GatewayError {
    const seconds = (this.#patience * TURN_MS) / 1000;
    return new GatewayError(
      `Cannot reach PostgreSQL: all of this gateway's connections for ${this.#purpose} (${this.connections}) were in use for ${seconds} s, and ${this.#waiting.size} others wait for one`,
      { code: "evidence-unavailable", retryAfterSeconds: 5 },
    );
  }
}
