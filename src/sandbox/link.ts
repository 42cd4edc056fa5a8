/**
 * The gateway's end of one executor process: loads components into it, runs one guest at a time, serves the
 * guest's calls through the run's broker, and kills the process when in doubt.
 */

import type { Outcome } from "../core/manifest/index.ts";
import type { Clock, ExecutorProcess, HostReply, RunHost } from "../ports/index.ts";
import { encodeFrame, readFrames } from "./pipe/frames.ts";
import {
  type GuestEnd,
  type LoadCommand,
  parseReport,
  type ReportFrame,
  type RunCommand,
} from "./pipe/messages.ts";

/** A report's largest frame: one request body, one output, and their JSON around them. */
const LARGEST_REPORT_BYTES = 64 * 1024 * 1024;
/** An honest executor has one call under way, or some pipelined writes; see `MOST_UNDER_WAY` in its context. */
const MOST_CALLS_UNDER_WAY = 1100;
/** Bytes of those calls together: what an executor can make this process hold for it. */
const MOST_BYTES_UNDER_WAY = 64 * 1024 * 1024;
/** The head of a report without its output: a call's arguments, headers of a request and log entries included. */
const HEAD_BYTES = 1024 * 1024;
/** An executor that is not ready by then never will be. */
const START_TIMEOUT_MS = 20_000;

/** What an executor says of itself when it starts. */
export interface Greeting {
  readonly runtime: string;
  readonly verified: readonly string[];
}

/** How a run in an executor ended, as far as this side could see. */
export type LinkEnd =
  | {
      readonly kind: "reported";
      readonly end: GuestEnd;
      readonly fuelUsed: number;
      readonly memoryPeakBytes: number;
      /** The broker's own reason, when it stopped the run. */
      readonly stop: Outcome | undefined;
    }
  | { readonly kind: "killed"; readonly why: "deadline" | "revoked" | "broker-failed" }
  | { readonly kind: "died"; readonly diagnostics: string }
  /** The broker revoked the run, and the process was killed for it. */
  | { readonly kind: "stopped"; readonly outcome: Outcome }
  /** It broke the protocol: it is no longer ours. */
  | { readonly kind: "protocol"; readonly detail: string };

/** One executor process. */
export interface ExecutorLink {
  /** @throws when the process did not greet in time */
  readonly greeting: Promise<Greeting>;
  /**
   * Does nothing when the component is known; when the process dies of it, the next `run` says so.
   *
   * @param deadlineMs ms from now until the process is killed
   */
  load(command: LoadCommand, body: Uint8Array, deadlineMs: number): Promise<void>;
  /**
   * Runs one guest. After anything but a `reported` end the process is dead.
   *
   * @param deadlineMs ms from now until the process is killed
   */
  run(command: RunCommand, host: RunHost, deadlineMs: number): Promise<LinkEnd>;
  kill(why?: "revoked"): void;
  readonly exited: Promise<unknown>;
}

interface Current {
  readonly host: RunHost;
  readonly run: string;
  readonly finish: (end: LinkEnd) => void;
  callsUnderWay: number;
  bytesUnderWay: number;
  /** Largest head that an honest report of this run can have. */
  readonly headBytes: number;
  /** Calls that came after the broker had stopped the run. */
  callsAfterStop: number;
  stop: Outcome | undefined;
}

/** Takes over a process that was just started. */
export function createLink(process: ExecutorProcess, clock: Clock): ExecutorLink {
  const loaded = new Set<string>();
  const greeted = Promise.withResolvers<Greeting>();
  let loading: ({ readonly key: string } & PromiseWithResolvers<void>) | undefined;
  let greetings = 0;
  let current: Current | undefined;
  /** Why we killed it; decides what a death means. */
  let killed: LinkEnd | undefined;

  const cancelStart = clock.after(START_TIMEOUT_MS, () =>
    kill({ kind: "died", diagnostics: "did not start in time" }),
  );
  greeted.promise.then(cancelStart, cancelStart);

  function kill(why: LinkEnd): void {
    killed ??= why;
    process.kill();
  }

  function handle(report: ReportFrame): void {
    switch (report.type) {
      case "ready":
        greetings += 1;
        if (greetings > 1) break;
        greeted.resolve({ runtime: report.runtime, verified: report.verified });
        return;
      case "loaded":
        if (loading?.key !== report.key) break;
        loaded.add(report.key);
        loading.resolve();
        loading = undefined;
        return;
      case "call":
        if (current === undefined) break;
        void serve(current, report);
        return;
      case "end": {
        if (current?.run !== report.run) break;
        const { finish, stop } = current;
        // At once: a call that stands behind the end in the same chunk belongs to no run.
        current = undefined;
        finish(reported(report, stop));
        return;
      }
    }
    kill({ kind: "protocol", detail: `unexpected report ${report.type}` });
  }

  async function serve(run: Current, report: ReportFrame & { type: "call" }): Promise<void> {
    run.callsUnderWay += 1;
    run.bytesUnderWay += report.body.length;
    if (run.callsUnderWay > MOST_CALLS_UNDER_WAY || run.bytesUnderWay > MOST_BYTES_UNDER_WAY)
      return kill({ kind: "protocol", detail: "too many calls under way" });
    // An honest executor has some calls on their way when the stop reaches it, and then no more.
    if (run.stop !== undefined) run.callsAfterStop += 1;
    if (run.callsAfterStop > MOST_CALLS_UNDER_WAY)
      return kill({ kind: "protocol", detail: "goes on calling after it was stopped" });
    const reply = await askHost(run, report);
    if (reply === undefined) return kill({ kind: "killed", why: "broker-failed" });
    if (reply.kind === "stop") run.stop ??= reply.outcome;
    // Revoked: it did what no honest executor does, or must not go on. It is not asked to end; it is ended.
    if (reply.kind === "stop" && reply.outcome.kind === "revoked")
      return kill({ kind: "stopped", outcome: reply.outcome });
    // The run may be over, and another one under way: its calls are numbered on, so a late reply finds nobody.
    await process.write(encodeReply(report.call, reply)).catch(() => undefined);
    // Only now: an executor that does not read its replies must not make us keep more and more of them.
    run.callsUnderWay -= 1;
    run.bytesUnderWay -= report.body.length;
  }

  /** @returns undefined when the broker threw: a bug of ours, after which nothing is known about the run's effects */
  async function askHost(
    run: Current,
    report: ReportFrame & { type: "call" },
  ): Promise<HostReply | undefined> {
    try {
      return await run.host.call({ name: report.name, args: report.args, body: report.body });
    } catch {
      return undefined;
    }
  }

  async function listen(): Promise<void> {
    try {
      const headLimit = () => current?.headBytes ?? HEAD_BYTES;
      const frames = readFrames(process.output, LARGEST_REPORT_BYTES, headLimit);
      for await (const frame of frames) handle(parseReport(frame));
    } catch (error) {
      // Bytes that are no report, or the pipe broke: in both cases the process has nothing more to say.
      kill({ kind: "protocol", detail: error instanceof Error ? error.message : String(error) });
    }
    const { diagnostics } = await process.exited;
    const end: LinkEnd = killed ?? { kind: "died", diagnostics };
    killed ??= end;
    current?.finish(end);
    greeted.reject(
      new Error(
        `Cannot start an executor: it ended (${end.kind}) ${"diagnostics" in end ? end.diagnostics : ""}`,
      ),
    );
    loading?.resolve();
  }

  const exited = listen();
  // Whoever waits for the greeting sees its rejection; nobody else needs to.
  greeted.promise.catch(() => undefined);

  return {
    greeting: greeted.promise,
    exited,
    kill: () => kill({ kind: "killed", why: "revoked" }),
    async load(command, body, deadlineMs) {
      if (killed !== undefined || loaded.has(command.key)) return;
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      loading = { key: command.key, promise, resolve, reject };
      const cancel = clock.after(deadlineMs, () => kill({ kind: "killed", why: "deadline" }));
      await process.write(encodeFrame(command, body)).catch(() => undefined);
      await promise;
      cancel();
    },
    async run(command, host, deadlineMs) {
      if (killed !== undefined) return killed;
      const { promise, resolve } = Promise.withResolvers<LinkEnd>();
      current = {
        host,
        run: command.run,
        finish: resolve,
        callsUnderWay: 0,
        bytesUnderWay: 0,
        headBytes: HEAD_BYTES + command.limits.outputBytes,
        callsAfterStop: 0,
        stop: undefined,
      };
      const cancel = clock.after(deadlineMs, () => kill({ kind: "killed", why: "deadline" }));
      try {
        // A write that fails means that the process is dying; `listen` says how.
        await process.write(encodeFrame(command)).catch(() => undefined);
        return await promise;
      } finally {
        cancel();
        current = undefined;
      }
    },
  };
}

function reported(report: ReportFrame & { type: "end" }, stop: Outcome | undefined): LinkEnd {
  const { end, fuelUsed, memoryPeakBytes } = report;
  return { kind: "reported", end, fuelUsed, memoryPeakBytes, stop };
}

function encodeReply(call: number, reply: HostReply): Uint8Array {
  if (reply.kind !== "ok") return encodeFrame({ type: "reply", call, reply });
  const { body, ...head } = reply;
  return encodeFrame({ type: "reply", call, reply: head }, body);
}
