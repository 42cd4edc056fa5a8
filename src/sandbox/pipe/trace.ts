/** Reads what an executor says of its guest's inputs. Bounded by what one report's head may hold; never believed. */
import type { InputTrace } from "../../core/journal/index.ts";
import { type Frame, FrameError } from "./frames.ts";

/** Numbers in one part of a trace: readings of the clock and calls are host calls, of which a run has 100,000. */
const MOST_NUMBERS = 250_000;

/**
 * @returns the head's `trace` as a member to spread; nothing when it has none
 * @throws {FrameError} when it is not one
 */
export function parseTrace(head: Frame["head"]): { readonly trace?: InputTrace } {
  const trace = head["trace"];
  if (trace === undefined) return {};
  if (typeof trace !== "object" || trace === null)
    throw new FrameError("Cannot read a report: trace is not an object");
  const { clock, order } = trace as Frame["head"]; // An object, checked above; its members stay unknown.
  return { trace: { clock: integers(clock, "trace.clock"), order: integers(order, "trace.order") } };
}

function integers(value: unknown, member: string): readonly number[] {
  if (!Array.isArray(value) || value.length > MOST_NUMBERS || !value.every(Number.isSafeInteger))
    throw new FrameError(`Cannot read a report: ${member} is not a list of integers`);
  return value;
}
