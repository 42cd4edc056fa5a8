/**
 * The gateway's end of one executor process: loads components into it, has many runs of one tenant under way in it,
 * serves each one's calls through its own broker, and kills the process when in doubt.
 *
 * INVARIANT: every run that was given to an executor comes to exactly one end, whatever the executor says or does.
 */

import type { Clock, ExecutorProcess, RunHost } from "../ports/index.ts";
import { type Death, Flight, type FlightPowers, HEAD_BYTES, type LinkEnd } from "./flight.ts";
import { encodeFrame, encodeFramePieces, FrameReader } from "./pipe/frames.ts";
import { type LoadCommand, parseReport, type ReportFrame, type RunCommand } from "./pipe/messages.ts";
import type { Revocation } from "./revocation.ts";
import { createWatch } from "./watch.ts";

/** A report's largest frame: one request body, one output, and their JSON around them. */
const LARGEST_REPORT_BYTES = 64 * 1024 * 1024;
/** Bodies of calls that one executor has under way; past this nothing more is read from it until some are answered. */
const MOST_BYTES_HELD = 128 * 1024 * 1024;
/** An executor that is not ready by then never will be. */
const START_TIMEOUT_MS = 20_000;
/** What a run that is told to stop has for it. An honest executor needs none of it, unless something computes in it. */
export const STOP_GRACE_MS = 100;

/**
 * What engines and allocators say when the kernel gives them no more, and then end. An executor may say so untruly: then it
 * has taken its own run from itself by another name.
 */
const OUT_OF_MEMORY = /out of memory|allocation failed|bad_alloc|memory allocation of \d+ bytes failed/i;

/** What an executor says of itself when it starts. */
export interface Greeting {
  readonly runtime: string;
  readonly verified: readonly string[];
}

/** One run for an executor, and the component that it is of. */
export interface LinkRun {
  readonly command: RunCommand;
  readonly load: LoadCommand;
  /** What belongs to `load`. */
  readonly body: Uint8Array;
  readonly host: RunHost;
  /** ms from now until it is ended, by killing the process if need be. */
  readonly deadlineMs: number;
  /** Takes what ends it before that, when it may not go on. */
  readonly revocation?: Pick<Revocation, "tell">;
}

/** One executor process. */
export interface ExecutorLink {
  readonly pid: number;
  /** @throws when the process did not greet in time */
  readonly greeting: Promise<Greeting>;
  /** Loads the component where it is not yet known, and runs one guest. Never rejects. */
  run(run: LinkRun): Promise<LinkEnd>;
  /** Loads a component ahead of its runs. Resolves once the executor has it, or is gone. */
  load(command: LoadCommand, body: Uint8Array): Promise<void>;
  /** Whether it was given a component already. */
  knows(key: string): boolean;
  /** Runs under way that wait, for an answer or for a clock: the processor is free for another. */
  readonly waiting: number;
  /** Runs under way that compute and let others go between their turns. */
  readonly sharing: number;
  kill(why?: "revoked" | "memory"): void;
  /** See `Watch.worn`. */
  readonly worn: boolean;
  /** It was killed, or is gone: no run given to it now would begin. */
  readonly dying: boolean;
  readonly exited: Promise<unknown>;
}

/** Whom a link has to do with. */
export interface LinkOptions {
  /** Told when a run begins or ceases to wait, or to take turns. Default: nobody is told. */
  readonly changed?: () => void;
  /** Whether what an executor says of itself is enough to give it runs. Default: it is. */
  readonly accept?: (greeting: Greeting) => boolean;
  /** Whether there are others that one who computes for long has to give way to. Default: there are. */
  readonly isCrowded?: () => boolean;
}

/** Takes over a process that was just started. */
export function createLink(
  process: ExecutorProcess,
  clock: Clock,
  { changed = () => undefined, accept = () => true, isCrowded = () => true }: LinkOptions = {},
): ExecutorLink {
  const flights = new Map<string, Flight>();
  /** Components that were sent; settled once the executor has them, or is gone. */
  const loads = new Map<string, PromiseWithResolvers<void>>();
  /** Those of them that it says it has. */
  const loaded = new Set<string>();
  /** Ended here while the executor did not listen: what it still says of them is heard and forgotten. */
  const abandoned = new Set<string>();
  const greeted = Promise.withResolvers<Greeting>();
  let greetings = 0;
  /** Why we killed it, and because of which run; decides what a death means to each run. */
  let killed: { readonly death: Death; readonly culprit: Flight | undefined } | undefined;
  let waiting = 0;
  let sharing = 0;
  /** Largest head that any run under way can honestly send. */
  let headLimit = HEAD_BYTES;
  let bytesHeld = 0;
  let room: PromiseWithResolvers<void> | undefined;

  const cancelStart = clock.after(START_TIMEOUT_MS, () =>
    kill({ kind: "died", diagnostics: "did not start in time" }),
  );
  greeted.promise.then(cancelStart, cancelStart);

  function kill(death: Death, culprit?: Flight): void {
    killed ??= { death, culprit };
    process.kill();
    // One that gives way to others would die when they let it: to die takes a processor, too.
    watch.hurry();
    room?.resolve();
  }

  /** A write that fails means that the process is dying; `listen` says how. */
  const write = (...pieces: readonly Uint8Array[]) =>
    process.write(...pieces).then(
      () => true,
      () => false,
    );

  const powers: FlightPowers = {
    write,
    kill,
    waits(isWaiting) {
      waiting += isWaiting ? 1 : -1;
      changed();
    },
    shares(isSharing) {
      sharing += isSharing ? 1 : -1;
      if (isSharing) changed();
    },
    nowMs: () => clock.monotonicMs(),
  };

  const watch = createWatch<Flight>(process.view, clock, {
    exceeded: (culprit) => kill({ kind: "killed", why: "memory" }, culprit),
    unbounded: () => kill({ kind: "died", diagnostics: "the kernel does not bound its memory" }),
    isCrowded,
  });

  function handle(report: ReportFrame): void {
    switch (report.type) {
      case "ready":
        greetings += 1;
        if (greetings > 1) break;
        void watch.ready().then(() => {
          if (accept(report)) greeted.resolve(report);
          else kill({ kind: "died", diagnostics: "its cage holds less than that of the others" });
        });
        return;
      case "loaded": {
        const load = loads.get(report.key);
        if (load === undefined) break;
        loaded.add(report.key);
        load.resolve();
        return;
      }
      case "call":
      case "pause":
      case "turns":
      case "end": {
        const flight = flights.get(report.run);
        if (flight === undefined) {
          if (!abandoned.has(report.run)) break;
          if (report.type === "end") abandoned.delete(report.run);
          return;
        }
        if (report.type === "call") void serve(flight, report);
        else if (report.type === "pause") flight.pause(report.waiting);
        else if (report.type === "turns") flight.takeTurns();
        else {
          flights.delete(report.run);
          watch.ended(flight, report.memoryPeakBytes);
          flight.report(report);
        }
        return;
      }
    }
    kill({ kind: "protocol", detail: `unexpected report ${report.type}` });
  }

  async function serve(flight: Flight, report: ReportFrame & { type: "call" }): Promise<void> {
    bytesHeld += report.body.length;
    await flight.serve(report);
    bytesHeld -= report.body.length;
    if (bytesHeld < MOST_BYTES_HELD) room?.resolve();
  }

  async function listen(): Promise<void> {
    try {
      const frames = new FrameReader({ frameBytes: LARGEST_REPORT_BYTES, headBytes: () => headLimit });
      for await (const chunk of process.output) {
        for (const frame of frames.read(chunk)) {
          // What it says after it was killed has no effect: a run that is lost may begin again elsewhere.
          if (killed !== undefined) break;
          handle(parseReport(frame));
          watch.heard();
          if (bytesHeld < MOST_BYTES_HELD) continue;
          room = Promise.withResolvers();
          await room.promise;
        }
        if (killed !== undefined) break;
      }
    } catch (error) {
      // Bytes that are no report, or the pipe broke: in both cases the process has nothing more to say.
      kill({ kind: "protocol", detail: error instanceof Error ? error.message : String(error) });
    }
    const { diagnostics } = await process.exited;
    killed ??= OUT_OF_MEMORY.test(diagnostics)
      ? { death: { kind: "killed", why: "memory" }, culprit: onlyComputing() }
      : { death: { kind: "died", diagnostics }, culprit: undefined };
    const { death, culprit } = killed;
    watch.over();
    const alone = flights.size === 1 && culprit === undefined;
    // The gateway's own end of the executor is every run's; else only the culprit knows what it died of.
    const ofAll = alone || (death.kind === "killed" && death.why === "revoked");
    for (const flight of flights.values())
      flight.die(death, ofAll || flight === culprit ? "of-this-run" : "of-another");
    flights.clear();
    for (const load of loads.values()) load.resolve();
    const more = death.kind === "died" ? death.diagnostics : death.kind === "protocol" ? death.detail : "";
    greeted.reject(new Error(`Cannot start an executor: it ended (${death.kind}) ${more}`));
  }

  /** The one that has taken what its executor died for want of, where that can be said. */
  function onlyComputing(): Flight | undefined {
    const computing = [...flights.values()].filter(({ waiting }) => !waiting);
    return computing.length === 1 ? computing[0] : undefined;
  }

  /**
   * A run is to end, for its time is over or it was revoked. One that waits, or computes in turns, is told to stop, so
   * that its executor and its neighbours live; one that just computes is ended with its process. If it can not hear that, because a neighbour computes, it is given up: whatever the executor
   * still does in its name has no effect.
   */
  function finish(flight: Flight, death: Death): void {
    if (flights.get(flight.run) !== flight) return;
    if (greetings === 0) {
      flights.delete(flight.run);
      if (death.kind === "stopped") flight.die(death, "of-this-run");
      else flight.giveUp();
      return;
    }
    if (flights.size === 1 && !flight.waiting && !flight.sharing) {
      kill(death, flight);
      return;
    }
    watch.hurry();
    void write(encodeFrame({ type: "stop", run: flight.run }));
    clock.after(STOP_GRACE_MS, () => {
      if (flights.get(flight.run) !== flight) return;
      if (!flight.waiting) {
        kill(death, flight);
        return;
      }
      flights.delete(flight.run);
      abandoned.add(flight.run);
      watch.ended(flight);
      flight.die(death, "of-this-run");
    });
  }

  function expire(flight: Flight): void {
    flight.expire();
    finish(flight, { kind: "killed", why: "deadline" });
  }

  function revoke(flight: Flight, reason: string): void {
    const outcome = { kind: "revoked", reason } as const;
    flight.revoke(outcome);
    finish(flight, { kind: "stopped", outcome });
  }

  const exited = listen();
  // Whoever waits for the greeting sees its rejection; nobody else needs to.
  greeted.promise.catch(() => undefined);

  function load(command: LoadCommand, body: Uint8Array): Promise<void> {
    const known = loads.get(command.key);
    if (known !== undefined) return known.promise;
    const loading = Promise.withResolvers<void>();
    loads.set(command.key, loading);
    const room = watch.loads(body.length);
    void loading.promise.then(() => watch.loaded(body.length));
    // Megabytes of code: not joined to their head, which would copy them.
    const send = () => void write(...encodeFramePieces(command, body));
    if (room === undefined) send();
    else void room.then(send);
    return loading.promise;
  }

  /** Not waited for: a run may come to its end before its executor is ready, and is told so then. */
  async function begin(flight: Flight, command: RunCommand, component: LoadCommand, body: Uint8Array) {
    const isUnderWay = () => flights.get(command.run) === flight;
    // What is loaded was greeted before. Then the command goes out in this very turn: whoever called may stand still in
    // the next moment, and the executor need not.
    if (!loaded.has(component.key)) {
      // Nothing of a tenant's is sent to a process before it is known to be caged.
      await greeted.promise.then(
        () => (isUnderWay() ? load(component, body) : undefined),
        () => undefined,
      );
    }
    for (let room = watch.roomFor(flight); room !== undefined && isUnderWay(); room = watch.roomFor(flight))
      await room;
    if (!isUnderWay()) return;
    flight.begin();
    watch.began(flight);
    void write(encodeFrame(command));
  }

  return {
    load,
    knows: (key) => loads.has(key),
    pid: process.pid,
    greeting: greeted.promise,
    exited,
    get waiting() {
      return waiting;
    },
    get sharing() {
      return sharing;
    },
    get worn() {
      return watch.worn;
    },
    get dying() {
      return killed !== undefined;
    },
    kill: (why = "revoked") => kill({ kind: "killed", why }),
    async run({ command, load: component, body, host, deadlineMs, revocation }) {
      // Nothing was asked in its name yet.
      if (killed !== undefined) return { kind: "lost", death: killed.death, touched: false };
      if (flights.has(command.run)) throw new TypeError(`Cannot run ${command.run} twice at once`);
      const { stacks } = component;
      const flight = new Flight(command.run, { ...command.limits, stacks }, host, powers);
      headLimit = Math.max(flights.size === 0 ? HEAD_BYTES : headLimit, flight.headBytes);
      flights.set(command.run, flight);
      const cancel = clock.after(deadlineMs, () => expire(flight));
      revocation?.tell((reason) => revoke(flight, reason));
      void begin(flight, command, component, body);
      try {
        return await flight.ended;
      } finally {
        cancel();
      }
    },
  };
}
