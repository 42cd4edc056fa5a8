/**
 * Writes the journal of one run: stands between its executor and its broker, and notes what crosses. It decides
 * nothing and changes nothing, but for one thing: a run that its journal has no more room for.
 *
 * What it holds is what the guest was given. Of secrets that is only what a policy let a guest read (`reveal`): a
 * secret that is used for a guest never crosses the pipe.
 */
import { joinBytes } from "../core/bytes.ts";
import {
  type JournalEnd,
  type JournalHead,
  writeCall,
  writeEnd,
  writeHead,
  writeReply,
} from "../core/journal/index.ts";
import type { Outcome } from "../core/manifest/index.ts";
import type { HostCall, HostReply, RunHost, SandboxEnd } from "../ports/index.ts";
import { withCalls } from "./forward.ts";

/** How much a journal may hold, and what happens when it is more. */
export interface JournalBounds {
  /** Of its text. */
  readonly bytes: number;
  /** `stop`: the run ends as exhausted. `drop`: it goes on, and no journal is kept of it. Never a part of one. */
  readonly over: "stop" | "drop";
  /** Whether the output is in it. */
  readonly output: boolean;
}

/** A journal being written. */
export interface Recorder {
  /** The host to run the guest with, in place of the one that was given. */
  readonly host: RunHost;
  /**
   * Writes the last line. Called once.
   *
   * @returns the journal's text; undefined when it would be over its bound, and then `end` says how the run ended
   */
  finish(end: SandboxEnd): { readonly text: string | undefined; readonly end: SandboxEnd };
}

const OVER: Outcome = Object.freeze({ kind: "exhausted", budget: "journal_bytes" });
const NO_TRACE = { clock: [], order: [] };

/**
 * Begins a journal.
 *
 * @param host the broker's side of the run; serves every call, as before
 */
export function createRecorder(head: JournalHead, bounds: JournalBounds, host: RunHost): Recorder {
  const lines: string[] = [];
  let left = bounds.bytes;
  let calls = 0;

  /** @returns whether the run goes on */
  function write(line: string): boolean {
    if (left >= 0) left -= new TextEncoder().encode(line).length;
    if (left >= 0) lines.push(line);
    // Nobody will ever read the beginning of it alone.
    else lines.length = 0;
    return left >= 0 || bounds.over === "drop";
  }

  async function call(asked: HostCall): Promise<HostReply> {
    const { name, args, body, fuelUsed = 0, trace = NO_TRACE } = asked;
    const index = calls++;
    // Before the effect: what the journal can not hold does not happen.
    if (!write(writeCall(index, { name, args, body, fuelUsed, trace })))
      return { kind: "stop", outcome: OVER };
    const reply = whole(await host.call(asked));
    return write(writeReply(index, reply)) ? reply : { kind: "stop", outcome: OVER };
  }

  if (head.kind === "full") write(writeHead(head));
  return {
    host: head.kind === "full" ? withCalls(host, call) : host,
    finish(end) {
      if (head.kind === "kept") write(writeHead(head));
      const text = writeEnd(describe(end, bounds.output, host.denial));
      if (write(text) && left >= 0) return { text: lines.join(""), end };
      if (bounds.over === "drop") return { text: undefined, end };
      const { output: _, ...rest } = end;
      return { text: undefined, end: { ...rest, outcome: OVER, outputBytes: 0 } };
    },
  };
}

/** A reply as journals have it. */
function whole(reply: HostReply): HostReply {
  if (reply.kind !== "ok" || reply.pieces === undefined) return reply;
  const { pieces, done, ...rest } = reply;
  const body = joinBytes(pieces);
  done?.();
  return { ...rest, body };
}

function describe(end: SandboxEnd, keepsOutput: boolean, denial: RunHost["denial"]): JournalEnd {
  const { outcome, output, returnedHash, fuelUsed, memoryPeakBytes, inputs } = end;
  return {
    outcome,
    ...(output === undefined || !keepsOutput ? {} : { output }),
    ...(returnedHash === undefined || !keepsOutput ? {} : { returnedHash }),
    fuelUsed,
    memoryPeakBytes,
    ...(denial === undefined ? {} : { denial }),
    ...(inputs === undefined ? {} : { inputs }),
  };
}
