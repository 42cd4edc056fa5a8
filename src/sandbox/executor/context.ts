/** What the bindings of one run share: the pipe to the broker, the run's clocks and its random numbers. */

import { BROKER_CALL_COST } from "../../core/metering/host/index.ts";
import type { JsonValue } from "../../core/policy/index.ts";
import type { GuestSettings, HostReply } from "../../ports/index.ts";
import type { GuestEnd } from "../pipe/messages.ts";
import { GuestError, type RunGuard } from "./guard.ts";
import type { Inputs } from "./inputs.ts";
import type { HostWork } from "./linker/index.ts";
import type { Rooms } from "./rooms.ts";

/**
 * Sends a call to the broker and waits for its reply.
 *
 * @param roomy whether the reply's bytes may come into a room: whoever asks gives that back
 */
export type AskBroker = (
  name: string,
  args: JsonValue,
  body?: Uint8Array,
  roomy?: boolean,
) => Promise<BrokerReply>;

/** What a run is given of the pipe. */
export interface RunPowers {
  readonly ask: AskBroker;
  readonly rooms: Rooms;
  /** Tells the gateway that the guest is suspended, or no longer. */
  readonly pause: (isWaiting: boolean) => void;
  /** Whether it is another run's turn to compute: undefined while it is not, else what this one waits for. */
  readonly turn: () => Promise<void> | undefined;
}

/** The broker's reply with the bytes that travelled beside it, and the room that they lie in where they do. */
export type BrokerReply = HostReply & { readonly body?: Uint8Array; readonly room?: Uint8Array | undefined };

/** What the broker answered. */
export interface Answer {
  readonly value: JsonValue;
  readonly body: Uint8Array;
  readonly room: Uint8Array | undefined;
}

/** What a binding is made from. */
export interface GuestContext {
  readonly guard: RunGuard;
  /**
   * Calls the broker.
   *
   * @param roomy whether the reply's bytes may come into a room of {@link rooms}; default false
   * @returns value and bytes of its `ok`, and the room that they lie in where they do
   * @throws {GuestError} with the interface's own error
   */
  call(name: string, args: JsonValue, body?: Uint8Array, roomy?: boolean): Promise<Answer>;
  /** The same for what was charged before. */
  callCharged(name: string, args: JsonValue, body: Uint8Array): Promise<Answer>;
  /** To give rooms of replies back to. */
  readonly rooms: Rooms;
  /**
   * Calls the broker without waiting: for streams whose writes cannot wait. Its refusal stops the run later,
   * at the next import call; `settled` waits for all of them.
   */
  send(name: string, args: JsonValue, body?: Uint8Array): void;
  /** Begins something that nobody waits for until {@link settled}; its failure has nobody to go to. */
  later(task: () => Promise<void>): void;
  /** Does something once the guest has ended, before the run does. */
  atEnd(task: () => Promise<void>): void;
  /** Does what was left for the end, and waits for everything. */
  finished(): Promise<void>;
  /** Calls sent and not yet answered. */
  underWay(): number;
  /** Ends the run from outside: what waits for the clock wakes, and traps. */
  stop(): void;
  /** Resolves when everything that was sent has been answered. */
  settled(): Promise<void>;
  /** Ends the run as the guest asked: by a trap, whatever the outcome is. */
  exit(code: number): never;
  /** Wall clock in whole ms. */
  wallMs(): number;
  /** Monotonic clock since the run's start, in whole ms. Coarse, so that it measures no cache. */
  elapsedMs(): number;
  /** Calls back at `elapsedMs() >= atMs`; forgotten when the run ends. */
  wait(atMs: number): Promise<void>;
  random(length: number): Uint8Array<ArrayBuffer>;
  readonly info: RunInfo;
  /** Takes fuel that a callee used, or that is due for a call; a guest that has none left is stopped. */
  charge(units: number): void;
  readonly settings: GuestSettings;
  /** Takes work that an asynchronous guest may wait for. */
  readonly work: HostWork;
}

/** What `writ:host/run-info` tells the guest. */
export interface RunInfo {
  readonly run: string;
  readonly traceId: string;
  readonly tool: string;
  readonly function: string;
  readonly purpose: string;
  readonly fuel: number;
  readonly timeToLiveMs: number;
}

const NO_BYTES = new Uint8Array(0);
/** Calls under way at once; the gateway takes somewhat more, see `flight.ts`. A guest that never waits gets no further. */
const MOST_UNDER_WAY = 1000;
/** Random bytes of one run: each costs the host more than the guest, and no honest guest needs as many. */
const RANDOM_BYTES = 64 * 1024 * 1024;

/**
 * @param powers the guard, the pipe, and the run's own clock and random stream
 */
export function createContext(powers: {
  readonly guard: RunGuard;
  readonly pipe: RunPowers;
  /** Replies, timers and readings of the clock: all of them pass here, so that they can be noted and given again. */
  readonly inputs: Inputs;
  readonly startWallMs: number;
  readonly random: (length: number) => Uint8Array<ArrayBuffer>;
  /** What it means that the guest exits with a code, 0 for success. */
  readonly endOfExit: (code: number) => GuestEnd;
  readonly info: RunInfo;
  /** Takes fuel from the guest's counter. */
  readonly charge: (units: number) => void;
  readonly settings: GuestSettings;
  readonly work: HostWork;
}): GuestContext {
  const { guard, inputs } = powers;
  const underWay = new Set<Promise<unknown>>();
  /** Wakes each wait of the clock before its time. */
  const sleepers = new Set<() => void>();
  let randomLeft = RANDOM_BYTES;

  async function ask(name: string, args: JsonValue, body: Uint8Array, roomy: boolean): Promise<BrokerReply> {
    // An asynchronous guest goes on while its calls are under way, and may make any number of them.
    if (guard.asked() >= MOST_UNDER_WAY) {
      guard.stop({ kind: "exhausted", budget: "concurrent_calls" });
      guard.trap();
    }
    guard.asks();
    try {
      return await inputs.reply(powers.pipe.ask(name, args, body, roomy));
    } finally {
      guard.answered();
    }
  }

  async function call(name: string, args: JsonValue, body: Uint8Array = NO_BYTES, roomy = false) {
    // Before the effect: what the run can not pay for does not happen.
    powers.charge(BROKER_CALL_COST);
    return answerOf(await ask(name, args, body, roomy));
  }

  async function callCharged(name: string, args: JsonValue, body: Uint8Array): Promise<Answer> {
    return answerOf(await ask(name, args, body, false));
  }

  function answerOf(reply: BrokerReply): Answer {
    switch (reply.kind) {
      case "ok":
        return { value: reply.value, body: reply.body ?? NO_BYTES, room: reply.room };
      case "error":
        throw new GuestError(reply.error);
      case "stop":
        guard.stop({ kind: "stopped-by-broker", outcome: reply.outcome });
        return guard.trap();
    }
  }

  const last: (() => Promise<void>)[] = [];

  function later(task: () => Promise<void>): void {
    const done = task().catch(() => undefined);
    underWay.add(done);
    void done.then(() => underWay.delete(done));
  }

  async function settled(): Promise<void> {
    while (underWay.size > 0) await Promise.allSettled(underWay);
  }

  return {
    guard,
    call,
    callCharged,
    rooms: powers.pipe.rooms,
    underWay: () => underWay.size,
    send(name, args, body) {
      if (underWay.size >= MOST_UNDER_WAY) {
        guard.stop({ kind: "exhausted", budget: "concurrent_calls" });
        guard.trap();
      }
      // The rejection is not lost: a `stop` is kept by the guard, and an `error` has nobody to go to.
      const sent = call(name, args, body).then(
        () => undefined,
        () => undefined,
      );
      underWay.add(sent);
      void sent.then(() => underWay.delete(sent));
    },
    later,
    atEnd: (task) => void last.push(task),
    async finished() {
      // A stop that is on its way in may forbid what is left: the broker says so, and it is not done.
      for (const task of last.splice(0)) later(task);
      await settled();
    },
    settled,
    exit(code) {
      guard.stop(powers.endOfExit(code));
      return guard.trap();
    },
    wallMs: () => powers.startWallMs + inputs.read(),
    elapsedMs: inputs.read,
    stop() {
      guard.stop({ kind: "stopped-by-gateway" });
      for (const wake of sleepers) wake();
    },
    async wait(atMs) {
      const { promise, resolve } = Promise.withResolvers<void>();
      sleepers.add(resolve);
      if (guard.stopped() !== undefined) resolve();
      await inputs.timer(atMs, promise);
      sleepers.delete(resolve);
    },
    random(length) {
      randomLeft -= length;
      if (randomLeft >= 0) return powers.random(length);
      guard.stop({ kind: "exhausted", budget: "random_bytes" });
      return guard.trap();
    },
    info: powers.info,
    settings: powers.settings,
    work: powers.work,
    charge: powers.charge,
  };
}
