/** What the executor process may use of its own runtime: one pipe, and the tools to see its own cage. */
import type { ExecutorRole } from "./runtime.ts";

/** The powers of an executor process. */
export interface ExecutorHost {
  /** Which program this process is to run. */
  readonly role: ExecutorRole;
  /**
   * Takes bytes from the gateway as they come. Resolves when the gateway is gone, and then the executor ends too.
   *
   * @param take given each chunk in turn, whose place is the next one's when it returns; what it throws ends the reading
   * @param place asked before each read where the bytes that follow are to come; they may be fewer. Default, and where it
   *   says undefined: a place of the host's own
   */
  readInput(take: (chunk: Uint8Array) => void, place?: () => Uint8Array | undefined): Promise<void>;
  /** Hands bytes to the system, in call order. */
  write(bytes: Uint8Array): Promise<void>;
  /** Runtime and version, e.g. `node 26.10.0`. */
  readonly runtime: string;
  /** Monotonic clock, ms. */
  monotonicMs(): number;
  /** Resolves once the process has looked at what came in, and has done what that asks for. */
  nextRound(): Promise<void>;
  /**
   * A deterministic stream of random bytes, the same on every runtime for the same seed.
   *
   * @param seed 32 bytes
   */
  randomStream(seed: Uint8Array): (length: number) => Uint8Array<ArrayBuffer>;
  /**
   * Tries, from inside, what the cage should refuse.
   *
   * @returns names of the restrictions that held: `no-environment`, `no-network`, `no-read`, `no-write`, `no-processes`
   */
  probe(): Promise<readonly string[]>;
  /** Ends the process at once. */
  exit(code: number): never;
}
