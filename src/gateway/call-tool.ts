/**
 * A tool's function called from inside another run. It is an invocation like any other (decided, admitted, run,
 * sealed), under the callee's policy narrowed by the caller's, on the caller's lease and within the caller's time.
 */
import type { OpenRun, ToolCall, ToolCallEnd, ToolRefusal } from "../broker/index.ts";
import { GatewayError } from "../core/errors.ts";
import type { RunChild } from "../core/manifest/index.ts";
import { attenuate, type Policy, type PolicyRecord, smaller } from "../core/policy/index.ts";
import type { RunHost } from "../ports/index.ts";
import type { InvocationRequest } from "./types.ts";

/** Tools in one chain of calls. */
const MAX_DEPTH = 4;

/** Runs that hang together by calls, the first one included. */
const MAX_RUNS = 64;

/** What a callee is told of its caller. */
export interface Caller {
  readonly run: string;
  readonly policyId: string;
  /** The caller's policy as it was narrowed itself, with what is left of it. */
  readonly policy: Policy;
  /** Tools at work above the callee, the caller last. */
  readonly chain: readonly string[];
  readonly family: Family;
  readonly open: (run: OpenRun) => RunHost;
}

/** Runs that hang together. */
export interface Family {
  runs: number;
}

/** How an invocation ended, for a caller. */
export interface CalleeEnd {
  readonly run: string;
  readonly digest: string;
  readonly outcome: string;
  /** Undefined when it did not return. */
  readonly output: ToolOutput | undefined;
  readonly fallback?: ToolOutput;
  /** Null when it is not knowable. */
  readonly fuelUsed: number | null;
}

type ToolOutput = ToolCall["input"];

/** The calls of one run. */
export interface ToolCalls {
  readonly call: (call: ToolCall) => Promise<ToolCallEnd>;
  /** Resolves when every callee is sealed: a caller's statement names them. */
  settled(): Promise<readonly RunChild[]>;
}

/** Whether one more run may hang together with those that do: no tool twice in a chain, and not too many. */
export function mayCall({ chain, family }: Pick<Caller, "chain" | "family">, tool: string): boolean {
  return !chain.includes(tool) && chain.length < MAX_DEPTH && family.runs < MAX_RUNS;
}

/** The policies by which a callee is decided. */
export function policiesFor(
  caller: Caller | undefined,
  policies: readonly PolicyRecord[],
): readonly PolicyRecord[] {
  return caller === undefined ? policies : policies.map((record) => attenuate(record, caller.policy));
}

/**
 * Makes the calls of one run live.
 *
 * @param own the calling run; `leftMs` of its time to live, `caller` its own caller
 * @param invoke runs one callee to its seal
 */
export function createToolCalls(
  own: {
    readonly run: string;
    readonly tool: string;
    readonly request: InvocationRequest;
    readonly traceparent: string;
    readonly record: PolicyRecord;
    readonly leftMs: () => number;
    readonly caller: Caller | undefined;
  },
  invoke: (request: InvocationRequest, caller: Caller) => Promise<CalleeEnd>,
): ToolCalls {
  const { run, request, record } = own;
  const chain = [...(own.caller?.chain ?? []), own.tool];
  const family = own.caller?.family ?? { runs: 1 };
  const children: (RunChild | undefined)[] = [];
  const underWay = new Set<Promise<unknown>>();

  async function call(asked: ToolCall): Promise<ToolCallEnd> {
    if (chain.includes(asked.tool)) return refused("calls-itself");
    if (!mayCall({ chain, family }, asked.tool)) return refused("too-deep");
    const leftMs = Math.floor(own.leftMs());
    if (leftMs <= 0) return refused("budget-spent");
    family.runs += 1;
    const place = children.push(undefined) - 1;
    const { policy } = record;
    const budget = smaller(policy.budget, { ...policy.budget, ...asked.left });
    const caller: Caller = {
      run,
      policyId: record.policyId,
      policy: { ...policy, budget, max_duration_ms: Math.min(policy.max_duration_ms, leftMs) },
      chain,
      family,
      open: asked.open,
    };
    try {
      const end = await invoke(
        {
          tool: asked.tool,
          function: asked.function,
          input: asked.input,
          purpose: asked.purpose ?? request.purpose,
          ...(request.task === undefined ? {} : { task: request.task }),
          traceparent: own.traceparent,
          ...(request.tracestate === undefined ? {} : { tracestate: request.tracestate }),
        },
        caller,
      );
      children[place] = { run: end.run, digest: end.digest };
      // What is not knowable is charged in full: a callee that had to be killed gives nothing back.
      const fuelUsed = Math.min(end.fuelUsed ?? asked.left.fuel, asked.left.fuel);
      const { output, outcome, fallback } = end;
      return output === undefined
        ? { kind: "ended", run: end.run, outcome, fuelUsed, ...(fallback === undefined ? {} : { fallback }) }
        : { kind: "answered", run: end.run, outcome, output, fuelUsed };
    } catch (error) {
      return refusalOf(error);
    }
  }

  return {
    call(asked) {
      const calling = call(asked);
      underWay.add(calling);
      return calling.finally(() => underWay.delete(calling));
    },
    async settled() {
      while (underWay.size > 0) await Promise.allSettled(underWay);
      return children.filter((child) => child !== undefined);
    },
  };
}

function refused(why: ToolRefusal, run?: string): ToolCallEnd {
  return { kind: "refused", why, ...(run === undefined ? {} : { run }) };
}

/** A refusal in the interface's words. Anything else is a bug, and the broker ends the run for it. */
function refusalOf(error: unknown): ToolCallEnd {
  if (!(error instanceof GatewayError)) throw error;
  const { refusal } = error;
  switch (refusal.code) {
    case "denied":
    case "insufficient-scope":
      return refused("denied", refusal.decision);
    case "unknown-tool":
      return refused("not-granted");
    case "invalid-request":
    case "input-too-large":
      return refused("invalid-input");
    case "budget-spent":
    case "retry-budget-spent":
    case "loop-capped":
      return refused("budget-spent");
    default:
      return refused("unavailable");
  }
}
