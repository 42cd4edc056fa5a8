/**
 * One run under way in an executor, as the gateway sees it: what it asks, what it may still ask, and its one end. What
 * it says comes from a process that may be lying; whatever it says is bounded here and answered by its own broker.
 */
import type { InputTrace } from "../core/journal/index.ts";
import type { Outcome } from "../core/manifest/index.ts";
import type { HostReply, RunHost } from "../ports/index.ts";
import { encodeFramePieces } from "./pipe/frames.ts";
import type { GuestEnd, ReportFrame } from "./pipe/messages.ts";

/** An honest executor has one call of a run under way, or some pipelined writes; see `MOST_UNDER_WAY` in its context. */
const MOST_CALLS_UNDER_WAY = 1100;
/** Bytes of those calls together, and of answers that it does not read: what one run can make this process hold for it. */
const MOST_BYTES_UNDER_WAY = 64 * 1024 * 1024;
/** More than this is a file, which is held once, however often it was asked for. */
const LARGE_ANSWER_BYTES = 1024 * 1024;
/** The head of a report without its output: a call's arguments, headers of a request and log entries included. */
export const HEAD_BYTES = 1024 * 1024;

/** Why a whole executor came to its end. */
export type Death =
  | { readonly kind: "killed"; readonly why: "deadline" | "revoked" | "broker-failed" | "memory" }
  | { readonly kind: "died"; readonly diagnostics: string }
  /** The broker revoked a run, and the process was killed for it. */
  | { readonly kind: "stopped"; readonly outcome: Outcome }
  /** It broke the protocol: it is no longer ours. */
  | { readonly kind: "protocol"; readonly detail: string };

/** How a run in an executor ended, as far as this side could see. */
export type LinkEnd =
  | {
      readonly kind: "reported";
      readonly end: GuestEnd;
      readonly fuelUsed: number;
      readonly memoryPeakBytes: number;
      /** Of a noted run: what reached the guest since its last call. */
      readonly trace?: InputTrace;
      /** What it says of fuel by function, not read yet; empty unless the run was profiled. */
      readonly profile: Uint8Array;
      /** The broker's own reason, when it stopped the run. */
      readonly stop: Outcome | undefined;
      /** Its time to live was over, and it was ended while it waited. */
      readonly expired: boolean;
      /** The executor does not vouch for what is left of it. */
      readonly doubtful: boolean;
    }
  | Death
  /** Its time was over before its executor was ready, which has seen nothing of it. */
  | { readonly kind: "unbegun" }
  /** The executor ended because of another run in it, or nobody can say of which. */
  | {
      readonly kind: "lost";
      readonly death: Death;
      /** The broker was asked for something: to begin again might do it twice. */
      readonly touched: boolean;
    };

/** What a flight can do to the executor that it is in. */
export interface FlightPowers {
  /** Hands pieces of bytes to the executor, behind one another; never rejects. @returns whether they are handed over */
  write(...pieces: readonly Uint8Array[]): Promise<boolean>;
  /** Ends the executor because of this run. */
  kill(death: Death, culprit: Flight): void;
  /** The run began to wait, or no longer does. */
  waits(isWaiting: boolean): void;
  /** The run computes and lets others go between its turns, or no longer. */
  shares(isSharing: boolean): void;
  /** Monotonic, ms. */
  nowMs(): number;
}

/** One run under way. */
export class Flight {
  readonly run: string;
  /** Resolves once, whatever happens. */
  readonly ended: Promise<LinkEnd>;
  /** Largest head that an honest report of this run can have. */
  readonly headBytes: number;
  /** Memory that it was granted. */
  readonly memoryBytes: number;
  /** Stacks that it may have at once. */
  readonly stacks: number;
  readonly #host: RunHost;
  readonly #powers: FlightPowers;
  readonly #finish: (end: LinkEnd) => void;
  #callsUnderWay = 0;
  #bytesUnderWay = 0;
  /** Calls that came after the broker had stopped the run. */
  #callsAfterStop = 0;
  #stop: Outcome | undefined;
  #paused = false;
  #waiting = false;
  #takesTurns = false;
  #sharing = false;
  #computingSinceMs = 0;
  #touched = false;
  #expired = false;
  #revoked: Outcome | undefined;
  #over = false;

  constructor(
    run: string,
    limits: { readonly outputBytes: number; readonly memoryBytes: number; readonly stacks: number },
    host: RunHost,
    powers: FlightPowers,
  ) {
    const { promise, resolve } = Promise.withResolvers<LinkEnd>();
    this.run = run;
    this.ended = promise;
    this.headBytes = HEAD_BYTES + limits.outputBytes;
    this.memoryBytes = limits.memoryBytes;
    this.stacks = limits.stacks;
    this.#host = host;
    this.#powers = powers;
    this.#finish = resolve;
  }

  /** Notes that its command was sent. */
  begin(): void {
    this.#computingSinceMs = this.#powers.nowMs();
  }

  /** Whether it waits for an answer or a clock, so that another run may have the processor. */
  get waiting(): boolean {
    return this.#waiting;
  }

  /** When it began to compute, or last went on after it had waited. */
  get computingSinceMs(): number {
    return this.#computingSinceMs;
  }

  /** Whether it has computed for so long that others go between its turns: then it hears that it is to stop, too. */
  get sharing(): boolean {
    return this.#sharing;
  }

  /** Whether the broker was asked for anything on its behalf. */
  get touched(): boolean {
    return this.#touched;
  }

  /** Notes that its time to live is over, whatever end it comes to. */
  expire(): void {
    this.#expired = true;
  }

  /** It may not go on: whatever it still asks has no effect, and whatever it says of its end is not its end. */
  revoke(outcome: Outcome): void {
    this.#revoked ??= outcome;
    this.#stop ??= outcome;
  }

  /** The executor says that it is suspended, or no longer. */
  pause(isWaiting: boolean): void {
    this.#paused = isWaiting;
    this.#tellWaiting();
  }

  /** The executor says that others go between its turns when it computes. */
  takeTurns(): void {
    this.#takesTurns = true;
    this.#tellSharing();
  }

  /** Serves one call through the run's broker. */
  async serve(report: ReportFrame & { type: "call" }): Promise<void> {
    if (this.#over) return;
    this.#touched = true;
    this.#callsUnderWay += 1;
    this.#bytesUnderWay += report.body.length;
    if (this.#callsUnderWay > MOST_CALLS_UNDER_WAY || this.#bytesUnderWay > MOST_BYTES_UNDER_WAY)
      return this.#kill({ kind: "protocol", detail: "too many calls under way" });
    // An honest executor has some calls on their way when the stop reaches it, and then no more.
    if (this.#stop !== undefined) this.#callsAfterStop += 1;
    if (this.#callsAfterStop > MOST_CALLS_UNDER_WAY)
      return this.#kill({ kind: "protocol", detail: "goes on calling after it was stopped" });
    this.#tellWaiting();
    const reply: HostReply | undefined =
      this.#revoked === undefined ? await this.#ask(report) : { kind: "stop", outcome: this.#revoked };
    if (this.#over) return;
    if (reply === undefined) return this.#kill({ kind: "killed", why: "broker-failed" });
    if (reply.kind === "stop") this.#stop ??= reply.outcome;
    // Revoked: it did what no honest executor does, or must not go on. It is not asked to end; it is ended.
    if (reply.kind === "stop" && reply.outcome.kind === "revoked")
      return this.#kill({ kind: "stopped", outcome: reply.outcome });
    const pieces = encodeReply(report.call, reply);
    const bytes = pieces.reduce((sum, { length }) => sum + length, 0);
    const unread = Math.min(bytes, LARGE_ANSWER_BYTES);
    this.#bytesUnderWay += unread;
    if (this.#bytesUnderWay > MOST_BYTES_UNDER_WAY)
      return this.#kill({ kind: "protocol", detail: "reads no answers" });
    const isWritten = await this.#powers.write(...pieces);
    // Of a process that is dying nobody knows what it still reads.
    if (isWritten && reply.kind === "ok") reply.done?.();
    // Only now: an executor that does not read its replies must not make us keep more and more of them.
    this.#callsUnderWay -= 1;
    this.#bytesUnderWay -= report.body.length + unread;
    if (!this.#over) this.#tellWaiting();
  }

  /** The executor says how it ended. */
  report(report: ReportFrame & { type: "end" }): void {
    const { end, fuelUsed, memoryPeakBytes, doubtful, trace, body: profile } = report;
    const [stop, expired] = [this.#stop, this.#expired];
    const readings = { fuelUsed, memoryPeakBytes, profile, doubtful, ...(trace && { trace }) };
    this.#conclude({ kind: "reported", end, ...readings, stop, expired });
  }

  /** Nothing of it was sent. */
  giveUp(): void {
    this.#conclude({ kind: "unbegun" });
  }

  /** The executor is gone, or this run was given up. */
  die(death: Death, because: "of-this-run" | "of-another"): void {
    this.#conclude(because === "of-this-run" ? death : { kind: "lost", death, touched: this.#touched });
  }

  #conclude(end: LinkEnd): void {
    // At once: a call that stands behind the end in the same chunk belongs to no run.
    this.#over = true;
    if (this.#waiting) this.#powers.waits(false);
    this.#tellSharing();
    this.#finish(end);
  }

  #tellWaiting(): void {
    const isWaiting = this.#paused || this.#callsUnderWay > 0;
    if (isWaiting === this.#waiting) return;
    this.#waiting = isWaiting;
    if (!isWaiting) this.#computingSinceMs = this.#powers.nowMs();
    this.#powers.waits(isWaiting);
    this.#tellSharing();
  }

  #tellSharing(): void {
    const isSharing = this.#takesTurns && !this.#waiting && !this.#over;
    if (isSharing === this.#sharing) return;
    this.#sharing = isSharing;
    this.#powers.shares(isSharing);
  }

  #kill(death: Death): void {
    this.#powers.kill(death, this);
  }

  /** @returns undefined when the broker threw: a bug of ours, after which nothing is known about the run's effects */
  async #ask(report: ReportFrame & { type: "call" }): Promise<HostReply | undefined> {
    const { name, args, body, fuelUsed, trace } = report;
    try {
      return await this.#host.call({ name, args, body, fuelUsed, ...(trace && { trace }) });
    } catch {
      return undefined;
    }
  }
}

function encodeReply(call: number, reply: HostReply): readonly Uint8Array[] {
  if (reply.kind !== "ok") return encodeFramePieces({ type: "reply", call, reply });
  const { body, pieces = body === undefined ? [] : [body], done: _, ...head } = reply;
  return encodeFramePieces({ type: "reply", call, reply: head }, ...pieces);
}
