/**
 * Witnesses: others who cosign the log's checkpoints when they have seen that it only grew. With `quorum` of them a log
 * that shows different histories to different people needs that many accomplices.
 *
 * Asked once a second while the log grows. When the quorum is not reached for too long, the operator's configuration
 * says what that means: `refuse` lets no new run begin, `report` shows in /readyz alone. Either ends by itself.
 */
import {
  cosignedAt,
  formatAddCheckpoint,
  parseCheckpoint,
  parseNote,
  type VerifyEd25519,
  type WitnessKey,
} from "../core/merkle/index.ts";
import type { Clock, LogHead, Outgoing, Store } from "../ports/index.ts";
import type { Checkpoints } from "./checkpoints.ts";

/** One witness. */
export interface Witness {
  readonly key: WitnessKey;
  /** Its `add-checkpoint` is under this URL, which ends with a slash. */
  readonly url: string;
  /** CIDR blocks that the operator opened for it. */
  readonly allowAddresses: readonly string[];
}

/** The operator's demands. */
export interface WitnessPolicy {
  readonly witnesses: readonly Witness[];
  /** How many have to cosign; 1 to all. */
  readonly quorum: number;
  readonly onUnmet: "refuse" | "report";
  /** For how long entries may wait for the quorum. */
  readonly maxAgeMs: number;
}

/** What witnessing needs. */
export interface WitnessingParts extends WitnessPolicy {
  readonly store: Store;
  readonly checkpoints: Checkpoints;
  readonly outgoing: Pick<Outgoing, "post">;
  readonly clock: Clock;
  readonly verify: VerifyEd25519;
  /** Keeps the newest cosigned checkpoint, for exports and the next start. */
  readonly keep: (note: string) => Promise<void>;
  /** What was kept. */
  readonly kept: string | undefined;
}

const TIMEOUT_MS = 5_000;
const MAX_ANSWER_BYTES = 16 * 1024;

/** The witnesses of one log. */
export class Witnessing {
  readonly #parts: WitnessingParts;
  /** What each cosigned last, as far as it said. */
  readonly #sizes = new Map<string, number>();
  #cosigned: { readonly size: number; readonly note: string } | undefined;
  /** Since when the newest entries wait for the quorum. */
  #waitingSinceMs: number | undefined;
  #round: Promise<void> | undefined;
  /** What went wrong last, for the operator. */
  lastError: unknown;

  constructor(parts: WitnessingParts) {
    this.#parts = parts;
    const size = parts.kept && parseCheckpoint(parseNote(parts.kept)?.text ?? "")?.size;
    if (parts.kept !== undefined && size !== undefined && size !== "")
      this.#cosigned = { size: Number(size), note: parts.kept };
  }

  /** The newest checkpoint that the quorum cosigned; undefined when there is none, or it is too old. */
  get note(): string | undefined {
    return this.isMet ? this.#cosigned?.note : undefined;
  }

  /** Whether no entry waits for longer than it may. */
  get isMet(): boolean {
    const { clock, maxAgeMs } = this.#parts;
    return this.#waitingSinceMs === undefined || clock.monotonicMs() - this.#waitingSinceMs <= maxAgeMs;
  }

  /** Whether new runs may begin. */
  get mayRun(): boolean {
    return this.#parts.onUnmet === "report" || this.isMet;
  }

  /** Asks all of them about the newest checkpoint, if that is new. Waits for the round under way. Never rejects. */
  ask(): Promise<void> {
    this.#round ??= this.#ask()
      .catch((error: unknown) => {
        this.lastError = error;
      })
      .finally(() => {
        this.#round = undefined;
      });
    return this.#round;
  }

  async #ask(): Promise<void> {
    const { store, checkpoints, witnesses, quorum, clock, keep } = this.#parts;
    const head = await store.logHead();
    if (head.size === 0 || head.size === this.#cosigned?.size) {
      this.#waitingSinceMs = undefined;
      return;
    }
    this.#waitingSinceMs ??= clock.monotonicMs();
    const { note } = await checkpoints.of(head);
    const answers = await Promise.allSettled(witnesses.map((witness) => this.#askOne(witness, head, note)));
    for (const answer of answers) if (answer.status === "rejected") this.lastError = answer.reason;
    const lines = answers.flatMap((answer) => (answer.status === "fulfilled" ? [answer.value] : []));
    if (lines.length < quorum) return;
    const cosigned = `${note}${lines.join("")}`;
    // Kept before it is served: after a restart nothing older is.
    await keep(cosigned);
    this.#cosigned = { size: head.size, note: cosigned };
    this.#waitingSinceMs = undefined;
  }

  /** @returns the witness's own signature line, verified */
  async #askOne({ key, url, allowAddresses }: Witness, head: LogHead, note: string): Promise<string> {
    const { outgoing, store, verify } = this.#parts;
    const limits = { timeoutMs: TIMEOUT_MS, maxBytes: MAX_ANSWER_BYTES, allowAddresses };
    const send = async (oldSize: number) => {
      const proof = oldSize === 0 || oldSize === head.size ? [] : await store.proveGrowth(oldSize, head.size);
      return await outgoing.post(`${url}add-checkpoint`, formatAddCheckpoint(oldSize, proof, note), limits);
    };
    let answer = await send(this.#sizes.get(key.name) ?? 0);
    const told = /^(0|[1-9][0-9]{0,15})\n?$/.exec(answer.text)?.[1];
    // It has seen more than we remembered: so after a restart, or when an answer was lost.
    if (answer.status === 409 && told !== undefined && Number(told) <= head.size)
      answer = await send(Number(told));
    if (answer.status !== 200) {
      throw new Error(`Witness ${key.name} answered ${answer.status}: ${answer.text.slice(0, 200)}`);
    }
    const parsed = parseNote(`${note}${answer.text}`);
    if (parsed === undefined || (await cosignedAt(parsed, key, verify)) === undefined) {
      throw new Error(`Witness ${key.name} answered without its cosignature`);
    }
    this.#sizes.set(key.name, head.size);
    const lines = answer.text.split("\n").filter((line) => line.startsWith(`\u2014 ${key.name} `));
    return lines.map((line) => `${line}\n`).join("");
  }
}
