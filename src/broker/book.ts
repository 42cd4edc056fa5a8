/**
 * What one run has spent and done: its lease, its events, and whether it is over.
 *
 * INVARIANT: once stopped, always stopped. A guest may catch the trap of a spent budget and go on calling
 * (a core module may wrap an import in `catch_all`), so the first stop is the answer to every later call.
 */
import { chargeUpTo, type Lease, left, openLease } from "../core/budget/index.ts";
import type { Outcome, RunEvent } from "../core/manifest/index.ts";
import { type Budget, type BudgetName, changeForImport } from "../core/policy/index.ts";
import type { Clock, HostReply } from "../ports/index.ts";

/** An event under way; what is known at its end is filled in until the book is closed. */
export type EventDraft = { -readonly [member in keyof RunEvent]: RunEvent[member] };

/** How many calls and events one run may cause, beside its budget. */
export interface CallLimits {
  /** Events in the evidence; default 10,000. Bounds the manifest. */
  readonly events: number;
  /** Calls in all; default 1,000,000. Bounds what a run costs the gateway. */
  readonly calls: number;
}

/** Why what was under way is aborted. One for all: an abort without a reason makes an exception with a trace of the stack. */
const OVER = new Error("The run is over");

/** The result of an event that has begun and not ended. No sealed event has it: an end that nobody saw is a gap. */
export const UNFINISHED = "unfinished";
/** What became of those that the run's end found under way: their connections are closed, and their guest is gone. */
const CANCELLED = "cancelled";

/** Members of an event that are known when it begins. */
export type EventStart = Pick<RunEvent, "import" | "effect"> &
  Partial<Pick<RunEvent, "target" | "clause" | "result">>;

/** Most changes that the events of one run name. */
const MAX_CHANGES = 32;

/** Budgets that a callee draws from its caller while it runs. Fuel is charged when it has ended: see `tools.ts`. */
const DRAWN: readonly BudgetName[] = ["egress_bytes", "requests", "log_bytes"];

/** The book of one run. */
export class RunBook {
  /** Made for whoever needs one: most runs have nobody. */
  #controller: AbortController | undefined;
  /** Told of the stop. */
  readonly #listeners = new Set<() => void>();
  readonly #clock: Clock;
  readonly #startMs: number;
  readonly #limits: CallLimits;
  readonly #drafts: EventDraft[] = [];
  /** Changes that events of this run have named. */
  readonly #changes = new Set<string>();
  /** The caller's book: what is drawn here is drawn there too. */
  readonly #caller: RunBook | undefined;
  #lease: Lease;
  #calls = 0;
  #stop: Extract<HostReply, { kind: "stop" }> | undefined;
  #sealed: readonly RunEvent[] | undefined;
  #denial: { readonly import: string; readonly target: string } | undefined;

  constructor(budget: Budget, clock: Clock, startedAtMs: number, limits: CallLimits, caller?: RunBook) {
    this.#caller = caller;
    // A caller that is over takes its callee with it.
    const leave = caller?.onStop(() => this.stop({ kind: "revoked", reason: "caller-ended" }));
    if (leave !== undefined) this.onStop(leave);
    this.#clock = clock;
    // The wall clock may jump while the run lives: it is asked once, and durations are monotonic from then on.
    this.#startMs = clock.monotonicMs() - Math.max(0, clock.nowMs() - startedAtMs);
    this.#limits = limits;
    this.#lease = openLease(budget);
  }

  /** Aborted when the run stops or closes: ends whatever is under way. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#stop !== undefined) this.#controller.abort(OVER);
    }
    return this.#controller.signal;
  }

  /**
   * Calls when the run stops or closes: what {@link signal} says to those who need one, for less.
   *
   * @returns what ends that
   */
  onStop(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** The answer to every call from now on, when the run is over. */
  get stopped(): HostReply | undefined {
    return this.#stop;
  }

  /** Whether it was stopped because a budget is spent. */
  get exhausted(): boolean {
    return this.#stop?.outcome.kind === "exhausted";
  }

  /** The first denial. */
  get denial(): { readonly import: string; readonly target: string } | undefined {
    return this.#denial;
  }

  /** Events so far, as frozen copies. */
  get events(): readonly RunEvent[] {
    return this.#sealed ?? Object.freeze(this.#drafts.map((draft) => Object.freeze({ ...draft })));
  }

  /** Ends the run; the first outcome stays. */
  stop(outcome: Outcome): HostReply {
    this.#stop ??= { kind: "stop", outcome };
    const stop = this.#stop;
    this.#controller?.abort(OVER);
    const told = [...this.#listeners];
    this.#listeners.clear();
    for (const listener of told) listener();
    return stop;
  }

  /** Counts one call. @returns false when that was one too many: the run is stopped */
  countCall(): boolean {
    this.#calls += 1;
    if (this.#calls <= this.#limits.calls) return true;
    this.stop({ kind: "exhausted", budget: "host_calls" });
    return false;
  }

  /**
   * Charges the lease. When it does not cover the amount, what is left of it is taken and the run is stopped.
   *
   * @returns what was taken: less than `amount` means that the budget is spent
   */
  charge(name: BudgetName, amount: number): number {
    const taken = Math.min(amount, this.left(name));
    this.#take(name, taken);
    if (taken < amount) this.stop({ kind: "exhausted", budget: name });
    return taken;
  }

  /** INVARIANT: what a callee is charged is charged to every caller above it, so together they never pass the first lease. */
  #take(name: BudgetName, amount: number): void {
    this.#lease = chargeUpTo(this.#lease, name, amount).lease;
    if (this.#caller !== undefined && DRAWN.includes(name)) this.#caller.#take(name, amount);
  }

  /** What was taken of a budget so far. */
  used(name: BudgetName): number {
    return this.#lease.used[name];
  }

  /** What can still be charged. */
  left(name: BudgetName): number {
    const own = left(this.#lease, name);
    return this.#caller === undefined || !DRAWN.includes(name) ? own : Math.min(own, this.#caller.left(name));
  }

  /**
   * Writes an event. A denied one becomes the run's denial if it is the first.
   *
   * @returns the event, to be completed; `undefined` when there is no room for another: the run is stopped
   */
  write(start: EventStart): EventDraft | undefined {
    if (this.#sealed !== undefined) return undefined;
    if (this.#drafts.length >= this.#limits.events) {
      this.stop({ kind: "exhausted", budget: "host_calls" });
      return undefined;
    }
    const at_ms = Math.max(0, Math.floor(this.#clock.monotonicMs() - this.#startMs));
    const draft: EventDraft = { seq: this.#drafts.length, at_ms, ...start };
    this.#drafts.push(draft);
    if (start.effect === "denied") this.noteDenial(draft);
    return draft;
  }

  /** Tells that an event turned out to be a denial; the first one stays. Its event says what would allow it. */
  noteDenial(draft: EventDraft): void {
    const { import: name, target = "" } = draft;
    this.#denial ??= Object.freeze({ import: name, target });
    const change = changeForImport(draft);
    // Each once: a guest that is denied the same ten thousand times must not make its manifest so much larger.
    if (change === undefined || this.#changes.has(change) || this.#changes.size >= MAX_CHANGES) return;
    this.#changes.add(change);
    draft.change = change;
  }

  /**
   * Ends what is under way, appends what is written once per run, whatever the limit says, and lets nothing change
   * afterwards. Idempotent.
   */
  seal(last: readonly (Pick<RunEvent, "import" | "effect"> & Partial<RunEvent>)[]): void {
    if (this.#sealed !== undefined) return;
    const at_ms = Math.max(0, Math.floor(this.#clock.monotonicMs() - this.#startMs));
    for (const draft of this.#drafts) if (draft.result === UNFINISHED) draft.result = CANCELLED;
    for (const event of last) this.#drafts.push({ ...event, seq: this.#drafts.length, at_ms });
    this.#sealed = this.events;
    this.stop({ kind: "revoked", reason: "closed" });
  }
}
