/**
 * Lines of an observer's file. Each carries the digest of the line before it, so that a line can not be taken out,
 * changed or moved without breaking the chain at that place. What is cut off at the end breaks nothing: that shows when
 * the file is compared with the log.
 */
import { z } from "zod";
import { sha256Hex } from "../digest.ts";
import { parseStrictJson } from "./strict-json.ts";

/** What was seen. */
export type Observation =
  | {
      readonly kind: "admitted";
      readonly run: string;
      readonly tenant: string;
      readonly effect: "allow" | "deny";
    }
  | { readonly kind: "excluded"; readonly run: string; readonly reason: string }
  | { readonly kind: "leaving"; readonly run: string; readonly target: string };

/** One line, read. */
export type ObservedLine = Observation & {
  /** Position, from 0. */
  readonly n: number;
  /** RFC 3339, by the observer's clock. */
  readonly at: string;
  /** Hex sha256 of the line before this one; {@link NO_LINE} for the first. */
  readonly prev: string;
};

/** What the first line says is before it. */
export const NO_LINE = "0".repeat(64);

const place = {
  n: z.int().nonnegative(),
  at: z.iso.datetime({ precision: 3 }),
  prev: z.string().regex(/^[0-9a-f]{64}$/),
};
const lineSchema = z.discriminatedUnion("kind", [
  z.strictObject({
    ...place,
    kind: z.literal("admitted"),
    run: z.string(),
    tenant: z.string(),
    effect: z.enum(["allow", "deny"]),
  }),
  z.strictObject({ ...place, kind: z.literal("excluded"), run: z.string(), reason: z.string() }),
  z.strictObject({ ...place, kind: z.literal("leaving"), run: z.string(), target: z.string() }),
]);

/** @returns the line's text, without a newline */
export function writeObservation(
  observation: Observation,
  place: { readonly n: number; readonly at: string; readonly prev: string },
): string {
  return JSON.stringify({ ...place, ...observation });
}

/** @returns undefined unless it is a line of ours */
export function readObservation(line: string): ObservedLine | undefined {
  const json = parseStrictJson(new TextEncoder().encode(line));
  const read = json.ok ? lineSchema.safeParse(json.value) : undefined;
  return read?.success ? read.data : undefined;
}

/** @returns what the next line has to name as the one before it */
export function digestOfLine(line: string): string {
  return sha256Hex(line);
}

/** A file, read through. */
export interface ObservedFile {
  readonly lines: readonly ObservedLine[];
  /** Each names a line and what is wrong with it. */
  readonly faults: readonly string[];
}

/**
 * Reads a whole file and checks its chain.
 *
 * A line that is no line of ours is passed over when the chain goes on past it: a write that failed half-way leaves one,
 * and what it said was never answered.
 *
 * @param text attacker-controlled
 */
export function readObservations(text: string): ObservedFile {
  const lines: ObservedLine[] = [];
  const faults: string[] = [];
  let [prev, n] = [NO_LINE, 0];
  const all = text.split("\n");
  if (all.at(-1) === "") all.pop();
  for (const [index, text] of all.entries()) {
    const line = text.isWellFormed() ? readObservation(text) : undefined;
    if (line === undefined) continue;
    if (line.n !== n || line.prev !== prev) {
      const missing = line.n > n ? `lines ${n} to ${line.n - 1} are missing` : "it is not the next one";
      faults.push(`line ${index + 1} (number ${line.n}): ${missing}, or the one before it was changed`);
    }
    lines.push(line);
    [prev, n] = [digestOfLine(text), line.n + 1];
  }
  return { lines, faults };
}
