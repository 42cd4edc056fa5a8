/**
 * `tools`: functions of other tools, called from inside a run.
 *
 * Here is decided whether the caller may ask, how often, and what is left for the callee; the callee's own policy, its
 * instance and its manifest are the gateway's business. The fuel that a callee used is charged to the caller's lease
 * and told to the executor, which takes it from the guest's counter.
 */
import { z } from "zod";
import type { JsonValue, ToolRule } from "../core/policy/index.ts";
import type { HostReply } from "../ports/index.ts";
import { type EventDraft, UNFINISHED } from "./book.ts";
import { type Capability, grantOf, parseArgs, type RunContext } from "./capability.ts";
import { visible } from "./egress/index.ts";
import type { ToolCallEnd, ToolRefusal } from "./open-run.ts";

const IMPORT = "writ:host/tools#invoke";

/** Calls of one run under way at once. */
const MAX_CONCURRENT = 8;

/** Longest input, in characters of its JSON text. */
const MAX_INPUT = 1024 * 1024;

const invokeArgs = z.strictObject({
  tool: z.string(),
  function: z.string(),
  input: z.string(),
  purpose: z.string().optional(),
});

/** Makes the capability live for one run. */
export function createTools(context: RunContext): Capability {
  const { book, grants } = context;
  const rules = grantOf(grants, "tools")?.tools ?? [];
  const made = new Map<ToolRule, number>();
  let underWay = 0;
  /** Fuel that callees under way may still use: promised to them, and to nobody else. */
  let promised = 0;

  async function invoke(args: z.infer<typeof invokeArgs>, fuelUsed: number): Promise<HostReply> {
    const target = visible(`${args.tool.slice(0, 64)} ${args.function.slice(0, 128)}`).slice(0, 200);
    const index = rules.findIndex(
      ({ tool, functions }) => tool === args.tool && functions.includes(args.function),
    );
    const rule = rules[index];
    if (rule === undefined) {
      book.write({ import: IMPORT, effect: "denied", target, clause: "tools", result: "not-granted" });
      return refusal("not-granted");
    }
    const clause = `tools[${index}]`;
    const fail = (why: ToolRefusal, result: string = why) => {
      book.write({ import: IMPORT, effect: "failed", target, clause, result });
      return refusal(why);
    };
    const input = parseInput(args.input);
    if (input === undefined) return fail("invalid-input");
    if (args.purpose !== undefined && args.purpose.length > 64) return fail("denied");
    const calls = made.get(rule) ?? 0;
    if (calls >= rule.calls) return fail("budget-spent", "calls spent");
    if (underWay >= MAX_CONCURRENT) return fail("budget-spent", "too many at once");
    const fuel = Math.max(0, book.left("fuel") - promised - fuelUsed);
    if (fuel === 0) return fail("budget-spent", "no fuel left");
    if (context.callTool === undefined) return fail("unavailable");
    made.set(rule, calls + 1);
    // Written before anything runs.
    const event = book.write({ import: IMPORT, effect: "allowed", target, clause, result: UNFINISHED });
    if (event === undefined) return book.stopped ?? refusal("budget-spent");
    underWay += 1;
    promised += fuel;
    let end: ToolCallEnd;
    try {
      end = await context.callTool({
        tool: args.tool,
        function: args.function,
        input,
        ...(args.purpose === undefined ? {} : { purpose: args.purpose }),
        left: {
          fuel,
          egress_bytes: book.left("egress_bytes"),
          requests: book.left("requests"),
          log_bytes: book.left("log_bytes"),
        },
        open: context.openCallee,
      });
    } finally {
      underWay -= 1;
      promised -= fuel;
    }
    return conclude(end, event);
  }

  function conclude(end: ToolCallEnd, event: EventDraft): HostReply {
    if (end.kind === "refused") {
      // The callee's own policy said no: for this run that is a denial like any other.
      const denied = end.why === "denied" || end.why === "not-granted";
      event.effect = denied ? "denied" : "failed";
      event.result = end.run === undefined ? end.why : `${end.why} ${end.run}`;
      if (denied) book.noteDenial(event);
      return refusal(end.why);
    }
    const fuel = book.charge("fuel", end.fuelUsed);
    event.result = `${end.outcome} ${end.run}`;
    if (end.kind === "answered")
      return reply({ ok: { run: end.run, output: JSON.stringify(end.output) } }, fuel);
    event.effect = "failed";
    const fallback = end.fallback === undefined ? null : JSON.stringify(end.fallback);
    return reply({ err: { tag: "ended", val: { run: end.run, outcome: end.outcome, fallback } } }, fuel);
  }

  return {
    calls: { "tools/invoke": (args, _body, fuelUsed) => invoke(parseArgs(invokeArgs, args), fuelUsed) },
  };
}

/** Both ends of a call are values: the fuel that it cost is told in each. */
function reply(result: JsonValue, fuel: number): HostReply {
  return { kind: "ok", value: { result, fuel } };
}

function refusal(why: ToolRefusal): HostReply {
  return reply({ err: { tag: why } }, 0);
}

/** @returns undefined when it is no JSON text; null, too, is a value */
function parseInput(text: string): JsonValue | undefined {
  if (text.length > MAX_INPUT) return undefined;
  try {
    // Out of JSON.parse, so it is JSON; its type is checked by whoever runs it.
    return JSON.parse(text) as JsonValue;
  } catch {
    return undefined;
  }
}
