/**
 * Journals as text: JSON Lines, each in the order in which it happened. Written a line at a time, so that a bound on
 * its size holds while the run goes on.
 */
import { encodeBase64 } from "../base64.ts";
import {
  JOURNAL_FORMAT,
  type JournalEnd,
  type JournaledCall,
  type JournaledReply,
  type JournalHead,
} from "./types.ts";

const NEWLINE = "\n";

/** The first line. */
export function writeHead(head: JournalHead): string {
  return line({ journal: JOURNAL_FORMAT, ...head });
}

/** A call, when it was made. @param index of the run's calls, from 0 */
export function writeCall(index: number, { name, args, body, fuelUsed, trace }: JournaledCall): string {
  return line({ call: index, name, args, ...bodyOf(body), fuelUsed, ...trace });
}

/** The reply to a call, when it was given. */
export function writeReply(index: number, reply: JournaledReply): string {
  if (reply.kind !== "ok") return line({ reply: index, ...reply });
  return line({ reply: index, kind: reply.kind, value: reply.value, ...bodyOf(reply.body) });
}

/** The last line. */
export function writeEnd(end: JournalEnd): string {
  return line({ end: true, ...end });
}

function bodyOf(body: Uint8Array | undefined): { readonly body?: string } {
  return body === undefined || body.length === 0 ? {} : { body: encodeBase64(body) };
}

function line(value: object): string {
  return JSON.stringify(value) + NEWLINE;
}
