/**
 * The independent observer: two files in a folder of their own, `admissions.log` by the front door and `egress.log` by the
 * broker, each a chain of digests. It shares neither the database nor the keys with the evidence that it is compared
 * with, and it is never read by the gateway: only `writ audit` reads it.
 *
 * How durable: the system has a line before what it speaks of goes on, so killing this process loses none. The disk is
 * synced once a second while there is something new: a loss of power may take the last second of observations, which
 * then show as receipts without observation.
 */
import { GatewayError } from "../core/errors.ts";
import {
  digestOfLine,
  NO_LINE,
  type Observation,
  readObservation,
  writeObservation,
} from "../core/manifest/index.ts";
import type { AppendFile, Clock, Observer } from "../ports/index.ts";

/** Names of the files, in the observer's folder. */
export const OBSERVER_FILES = ["admissions.log", "egress.log"] as const;
/** Pause between two syncs. */
const SYNC_MS = 1_000;

/** What an observer is made of. */
export interface ObserverParts {
  readonly clock: Clock;
  /** Opens a file of the observer's folder for appending. */
  readonly open: (name: (typeof OBSERVER_FILES)[number]) => Promise<AppendFile>;
  /** Told of syncs that failed. */
  readonly onError: (error: unknown) => void;
}

/** @returns the observer, and what closes its files @throws when a file can not be opened */
export async function openObserver(
  parts: ObserverParts,
): Promise<{ readonly observer: Observer; close(): Promise<void> }> {
  const admissions = new Chain("admissions.log", parts);
  const egress = new Chain("egress.log", parts);
  await admissions.open();
  await egress.open();
  return {
    observer: {
      admitted: (observed) => admissions.add({ kind: "admitted", ...observed }),
      excluded: (run, reason) => admissions.add({ kind: "excluded", run, reason }),
      leaving: (run, target) => egress.add({ kind: "leaving", run, target }),
    },
    async close() {
      await admissions.close();
      await egress.close();
    },
  };
}

/** What waits to be written. */
interface Waiting {
  readonly observation: Observation;
  readonly done: PromiseWithResolvers<void>;
}

/** One file. Lines that are added while one is being written are written together. */
class Chain {
  readonly #name: (typeof OBSERVER_FILES)[number];
  readonly #parts: ObserverParts;
  /** Absent after a write that failed: what is in the file is not known then, so it is opened and read again. */
  #file: AppendFile | undefined;
  #prev = NO_LINE;
  #next = 0;
  /** Whether the file ends in the middle of a line. */
  #torn = false;
  #waiting: Waiting[] = [];
  #writing: Promise<void> | undefined;
  #cancelSync: (() => void) | undefined;
  #syncing: Promise<void> | undefined;
  #closed = false;

  constructor(name: (typeof OBSERVER_FILES)[number], parts: ObserverParts) {
    this.#name = name;
    this.#parts = parts;
  }

  /**
   * Opens the file and finds the end of the chain.
   *
   * @returns lines that are there and that nobody was answered for
   */
  async open(): Promise<readonly Observation[]> {
    const file = await this.#parts.open(this.#name);
    const text = new TextDecoder().decode(file.tail);
    this.#file = file;
    this.#torn = text !== "" && !text.endsWith("\n");
    const unanswered: Observation[] = [];
    for (const line of text.split("\n")) {
      const read = readObservation(line);
      if (read === undefined) continue;
      if (read.n >= this.#next) unanswered.push(read);
      [this.#prev, this.#next] = [digestOfLine(line), read.n + 1];
    }
    return unanswered;
  }

  /** @throws {GatewayError} `evidence-unavailable`; the next line tries again */
  add(observation: Observation): Promise<void> {
    if (this.#closed) return Promise.reject(unavailable(new Error("It is closed")));
    const done = Promise.withResolvers<void>();
    this.#waiting.push({ observation, done });
    this.#writing ??= this.#writeAll();
    return done.promise;
  }

  /** Refuses what comes later, and waits for what is being written and synced. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#writing;
    this.#cancelSync?.();
    await this.#syncing;
    await this.#file?.sync();
    await this.#file?.close();
  }

  async #writeAll(): Promise<void> {
    // The turn that is under way may add more.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0);
      try {
        if (this.#file === undefined) await this.#recover();
        await this.#append(batch.map(({ observation }) => observation));
        for (const { done } of batch) done.resolve();
      } catch (cause) {
        await this.#file?.close().catch(() => undefined);
        this.#file = undefined;
        for (const { done } of batch) done.reject(unavailable(cause));
      }
    }
    // In the same turn in which nothing was left: whoever adds after it begins anew.
    this.#writing = undefined;
  }

  /** After a failure: whoever is in the file and was told "no" is taken out of the count again, by a line that says so. */
  async #recover(): Promise<void> {
    const unanswered = await this.open();
    const reason = "evidence-unavailable";
    const admitted = unanswered.filter(({ kind }) => kind === "admitted");
    if (admitted.length > 0)
      await this.#append(admitted.map(({ run }) => ({ kind: "excluded", run, reason })));
  }

  async #append(observations: readonly Observation[]): Promise<void> {
    let [prev, next] = [this.#prev, this.#next];
    const at = new Date(this.#parts.clock.nowMs()).toISOString();
    const lines = observations.map((observation) => {
      const line = writeObservation(observation, { n: next, at, prev });
      [prev, next] = [digestOfLine(line), next + 1];
      return `${line}\n`;
    });
    await this.#file?.append(new TextEncoder().encode(`${this.#torn ? "\n" : ""}${lines.join("")}`));
    [this.#prev, this.#next, this.#torn] = [prev, next, false];
    this.#cancelSync ??= this.#parts.clock.after(SYNC_MS, () => {
      this.#syncing = this.#sync();
    });
  }

  async #sync(): Promise<void> {
    this.#cancelSync = undefined;
    try {
      await this.#file?.sync();
    } catch (error) {
      this.#parts.onError(error);
    }
  }
}

function unavailable(cause: unknown): GatewayError {
  return new GatewayError(
    "Cannot observe: the observer's file can not be written",
    { code: "evidence-unavailable", retryAfterSeconds: 5 },
    { cause },
  );
}
