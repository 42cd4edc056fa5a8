/**
 * Reads a journal's text. It may have been tampered with, cut off, or made up: whatever it is, it ends as a
 * {@link Journal} of the right form or as a {@link JournalError} that names the line.
 */
import { z } from "zod";
import { decodeBase64 } from "../base64.ts";
import { OutcomeSchema } from "../manifest/index.ts";
import type { JsonValue } from "../policy/types.ts";
import {
  JOURNAL_FORMAT,
  type Journal,
  type JournalEnd,
  type JournaledCall,
  type JournaledReply,
  type JournalHead,
} from "./types.ts";

/** Text that is no journal. */
export class JournalError extends Error {
  override readonly name = "JournalError";
}

const count = z.int().nonnegative();
const json = z.custom<JsonValue>((value) => value !== undefined);
const bytes = z.string().transform((text, context) => {
  const decoded = decodeBase64(text);
  if (decoded !== undefined) return decoded;
  context.addIssue({ code: "custom", message: "is not base64" });
  return z.NEVER;
});
const trace = { clock: z.array(z.int()), order: z.array(z.int()) };
const pair = z.tuple([z.string(), z.string()]);
const hash = z.string().regex(/^sha256:[0-9a-f]{64}$/);

const headLine: z.ZodType<JournalHead & { readonly journal: string }> = z.strictObject({
  journal: z.literal(JOURNAL_FORMAT),
  kind: z.enum(["full", "kept"]),
  run: z.string(),
  tenant: z.string(),
  tool: z.string(),
  function: z.string(),
  purpose: z.string(),
  traceId: z.string(),
  artifactHash: hash,
  policyId: hash,
  costTable: z.string(),
  limits: z.strictObject({ fuel: count, memoryBytes: count, outputBytes: count }),
  settings: z
    .strictObject({
      environment: z.array(pair),
      arguments: z.array(z.string()),
      config: z.array(pair),
      roots: z.array(
        z.strictObject({
          path: z.string(),
          kind: z.enum(["scratch", "mount", "volume"]),
          bytes: z.number().nonnegative(),
        }),
      ),
    })
    .exactOptional(),
  salt: z.string(),
  input: json.exactOptional(),
});

const callLine = z.strictObject({
  call: count,
  name: z.string(),
  args: json,
  body: bytes.exactOptional(),
  fuelUsed: count,
  ...trace,
});

const replyLine = z.discriminatedUnion("kind", [
  z.strictObject({ reply: count, kind: z.literal("ok"), value: json, body: bytes.exactOptional() }),
  z.strictObject({ reply: count, kind: z.literal("error"), error: json }),
  z.strictObject({ reply: count, kind: z.literal("stop"), outcome: OutcomeSchema }),
]);

const endLine: z.ZodType<JournalEnd & { readonly end: true }> = z.strictObject({
  end: z.literal(true),
  outcome: OutcomeSchema,
  output: json.exactOptional(),
  returnedHash: hash.exactOptional(),
  fuelUsed: count.nullable(),
  memoryPeakBytes: count.nullable(),
  denial: z.strictObject({ import: z.string(), target: z.string() }).exactOptional(),
  inputs: z
    .strictObject({
      seed: z.string().regex(/^[0-9a-f]{64}$/),
      wallMs: count,
      timeToLiveMs: count,
      trace: z.strictObject(trace).exactOptional(),
    })
    .exactOptional(),
});

const NO_BYTES = new Uint8Array(0);

/**
 * @param text a journal, whole: the last line ends with a newline
 * @throws {JournalError} naming the line at fault
 */
export function readJournal(text: string): Journal {
  const lines = text.split("\n");
  if (lines.pop() !== "")
    throw new JournalError("Cannot read journal: it is cut off, its last line has no end");
  const [first = "", ...rest] = lines;
  const head = readLine(headLine, first, 1);
  const { journal: _, ...known } = head;
  const last = rest.pop();
  if (last === undefined) throw new JournalError("Cannot read journal: it is cut off behind its first line");
  const { end: _end, ...end } = readLine(endLine, last, lines.length);
  return { head: known, calls: readCalls(rest), end };
}

function readCalls(lines: readonly string[]): readonly JournaledCall[] {
  const calls: (JournaledCall & { reply?: JournaledReply })[] = [];
  for (const [index, text] of lines.entries()) {
    const number = index + 2;
    if (text.startsWith('{"call":')) {
      const { call, clock, order, body = NO_BYTES, ...rest } = readLine(callLine, text, number);
      if (call !== calls.length) throw fault(number, `is call ${call}, wanted ${calls.length}`);
      calls.push({ ...rest, body, trace: { clock, order } });
    } else {
      const { reply: of, ...reply } = readLine(replyLine, text, number);
      const call = calls[of];
      if (call === undefined || call.reply !== undefined)
        throw fault(number, `is a reply to call ${of}, which waits for none`);
      call.reply = reply;
    }
  }
  return calls;
}

function readLine<T>(schema: z.ZodType<T>, text: string, number: number): T {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw fault(number, "is not JSON");
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw fault(number, `is not of its form: ${issue?.path.join(".") ?? ""} ${issue?.message ?? ""}`.trimEnd());
}

function fault(line: number, detail: string): JournalError {
  return new JournalError(`Cannot read journal: line ${line} ${detail}`);
}
