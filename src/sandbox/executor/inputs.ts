/**
 * What reaches a guest from outside while it runs: replies of the broker, timers, readings of its clock. All else in
 * an executor is computed from these, from the component and from the run's command. So a run whose inputs are noted
 * as they come, and given again in the same order, does the same again, to the unit of fuel.
 *
 * INVARIANT, noting and replaying: inputs reach the guest one at a time, each in a turn of the event loop of its own.
 * Between two turns the guest goes as far as it can without the next one; nobody sees two inputs at once, so their
 * order is all that there is to note. A guest that stands aside for another run has not gone as far as it can: nothing
 * reaches it meanwhile. Without a journal nothing is noted and nothing waits for its turn.
 */
import type { InputTrace } from "../../core/journal/index.ts";
import { ClockNotes, ClockReader } from "./clock-notes.ts";

/** The inputs of one run. */
export interface Inputs {
  /** Gives the answer to the run's next call to the guest, in its turn. */
  reply<T>(answer: Promise<T>): Promise<T>;
  /** Resolves `atMs` after the run's start or later, in its turn; sooner when it is woken. */
  timer(atMs: number, woken: Promise<void>): Promise<void>;
  /** A reading of the clock that the guest will see. @throws what `end` throws, when a replay has no more of them */
  read(): number;
  /** What was noted since it was last taken; undefined unless this run is noted. */
  take(): InputTrace | undefined;
  /** A replay's: resolves when it can not go on, because the guest waits for what the journal does not have. */
  readonly stuck: Promise<ReplayStop> | undefined;
}

/** Why a replay stopped: it came to the journal's end, or the journal goes on with what the guest never asked for. */
export type ReplayStop = "replay-ended" | "replay-diverged";

/** What inputs are made from. */
export interface InputPowers {
  /** Ms since the run's start, whole. */
  readonly elapsedMs: () => number;
  /** Whether the guest is suspended because another run computes. */
  readonly isAside: () => boolean;
  /** Stops the guest at once; called within one of its import calls. */
  readonly end: (why: ReplayStop) => never;
}

/** Inputs as they come, unnoted. */
export function createInputs({ elapsedMs }: Pick<InputPowers, "elapsedMs">): Inputs {
  return {
    reply: (answer) => answer,
    timer: (atMs, woken) => sleepUntil(atMs, elapsedMs, woken),
    read: elapsedMs,
    take: () => undefined,
    stuck: undefined,
  };
}

/** Inputs as they come, each in a turn of its own, and noted. */
export function createNotedInputs({
  elapsedMs,
  isAside,
}: Pick<InputPowers, "elapsedMs" | "isAside">): Inputs {
  const clock = new ClockNotes();
  let order: number[] = [];
  let calls = 0;
  let timers = 0;
  const waiting: (() => void)[] = [];
  let turning = false;

  function turn(): void {
    if (isAside()) {
      setImmediate(turn);
      return;
    }
    const give = waiting.shift();
    turning = give !== undefined;
    if (give === undefined) return;
    give();
    setImmediate(turn);
  }

  function inTurn<T>(id: number, arrived: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const arrive = (give: () => void) => {
        waiting.push(() => {
          order.push(id);
          give();
        });
        if (!turning) setImmediate(turn);
        turning = true;
      };
      arrived.then(
        (value) => arrive(() => resolve(value)),
        (error: unknown) => arrive(() => reject(error)),
      );
    });
  }

  return {
    reply: (answer) => inTurn(calls++, answer),
    timer: (atMs, woken) => inTurn(-1 - timers++, sleepUntil(atMs, elapsedMs, woken)),
    read: () => clock.note(elapsedMs()),
    take() {
      const taken = { clock: clock.take(), order };
      order = [];
      return taken;
    },
    stuck: undefined,
  };
}

/**
 * Inputs from a journal: the same replies, timers and readings, in the same order, whatever the time is.
 *
 * @param lenient where the guest leaves the trace it is given what arrives, replies first, and its timers in their
 *   order; its clock stands still but for those. Otherwise the replay ends there
 */
export function createReplayedInputs(
  trace: InputTrace,
  lenient: boolean,
  { end, isAside }: Pick<InputPowers, "end" | "isAside">,
): Inputs {
  const clock = new ClockReader(trace.clock);
  const stuck = Promise.withResolvers<ReplayStop>();
  /** By id, in the order of their arrival. */
  const arrived = new Map<number, () => void>();
  /** When each timer that has not fired is due. */
  const due = new Map<number, number>();
  let calls = 0;
  let replies = 0;
  let timers = 0;
  let at = 0;
  let turning = false;
  let left = false;

  function turn(): void {
    turning = false;
    if (isAside()) {
      takeTurn();
      return;
    }
    const wanted = left ? undefined : trace.order[at];
    const asked = wanted !== undefined && (wanted >= 0 ? wanted < calls : -1 - wanted < timers);
    // Every other input was given, and the guest has gone as far as it can: it will never ask for this one.
    if (!asked && !lenient) stuck.resolve(wanted === undefined ? "replay-ended" : "replay-diverged");
    left ||= !asked && lenient;
    const id = left ? nextOfAny() : asked ? wanted : undefined;
    const give = id === undefined ? undefined : arrived.get(id);
    // Without one, the reply to a call that was made is on its way.
    if (id === undefined || give === undefined) return;
    at += 1;
    arrived.delete(id);
    clock.advance(due.get(id) ?? 0);
    due.delete(id);
    give();
    takeTurn();
  }

  function nextOfAny(): number | undefined {
    const reply = [...arrived.keys()].find((id) => id >= 0);
    if (reply !== undefined || replies < calls) return reply;
    const [timer] = [...due].sort(([, one], [, other]) => one - other);
    if (timer === undefined) stuck.resolve("replay-ended");
    return timer?.[0];
  }

  function takeTurn(): void {
    if (!turning) setImmediate(turn);
    turning = true;
  }

  function arrive(id: number, give: () => void): void {
    arrived.set(id, give);
    takeTurn();
  }

  // A guest may wait for nothing at all, and then no arrival would ever find that out.
  takeTurn();
  return {
    reply(answer) {
      const id = calls++;
      return new Promise((resolve, reject) => {
        const settle = (give: () => void) => {
          replies += 1;
          arrive(id, give);
        };
        answer.then(
          (value) => settle(() => resolve(value)),
          (error: unknown) => settle(() => reject(error)),
        );
      });
    },
    timer(atMs, woken) {
      const id = -1 - timers++;
      due.set(id, atMs);
      return Promise.race([woken, new Promise<void>((resolve) => arrive(id, resolve))]);
    },
    read: () => clock.next() ?? (lenient ? clock.now : end("replay-ended")),
    take: () => undefined,
    stuck: stuck.promise,
  };
}

/** @param woken ends it before its time */
async function sleepUntil(atMs: number, elapsedMs: () => number, woken: Promise<void>): Promise<void> {
  let isWoken = false;
  const wake = woken.then(() => {
    isWoken = true;
  });
  do {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, Math.max(0, atMs - elapsedMs()));
    await Promise.race([promise, wake]);
    clearTimeout(timer);
    // A timer may fire a fraction of a millisecond early, and a guest that slept must not find its time not over.
  } while (!isWoken && elapsedMs() < atMs);
}
