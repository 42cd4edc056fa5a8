/**
 * What travels on the pipe. Commands go to the executor and are trusted; reports come from it and are parsed as
 * hostile: unknown kinds, wrong types and impossible numbers are a {@link FrameError}, which ends the executor.
 */
import type { WitFunction } from "../../core/component/index.ts";
import type { InputTrace } from "../../core/journal/index.ts";
import type { JsonValue } from "../../core/policy/index.ts";
import type { GuestSettings, HostReply, ImportBinding, PreparationStep } from "../../ports/index.ts";
import { type Frame, FrameError } from "./frames.ts";
import { parseTrace } from "./trace.ts";

/** Lengths of the parts that follow one another in a frame's body. */
export interface Parts {
  /** The link plan and what `executor/image.ts` says of each module, as JSON. */
  readonly planBytes: number;
  /** Bytes of each core module, by its place in the plan. */
  readonly modules: readonly number[];
  /** Bytes of each module's image, behind all modules; see `executor/image.ts`. */
  readonly images: readonly number[];
  /** Fuel for code, segments and tables of all core instances. */
  readonly instantiationFuel: number;
  /** Stacks that a run of it may have at once: one, or as many as tasks where it is asynchronous. */
  readonly stacks: number;
}

/** Bounds that the executor itself keeps, so that an honest one stops early and says why. */
export interface GuestLimits {
  readonly fuel: number;
  /** Of all memories together; the prepared component was made for the same number. */
  readonly memoryBytes: number;
  readonly outputBytes: number;
  /** Bytes lifted out of guest memory during the whole run; see `executor/linker/meter.ts`. */
  readonly liftedBytes: number;
  readonly hostCalls: number;
}

/** Host to executor: make a prepared component known. Body: the plan, then each module. */
export interface LoadCommand extends Parts {
  readonly type: "load";
  readonly key: string;
  /** What serves each import. Sent once: the types of a large interface are longer than most inputs. */
  readonly imports: readonly ImportBinding[];
}

/** Host to executor: one run. */
export interface RunCommand {
  readonly type: "run";
  readonly run: string;
  /** Key of a component that was loaded. */
  readonly key: string;
  readonly interface: string | null;
  readonly function: WitFunction;
  readonly input: JsonValue;
  readonly limits: GuestLimits;
  /** 64 hex digits. */
  readonly seed: string;
  readonly wallMs: number;
  readonly timeToLiveMs: number;
  readonly settings: GuestSettings;
  readonly info: { readonly traceId: string; readonly tool: string; readonly purpose: string };
  /** Whether the component was prepared for it, and the end is to tell fuel by function. */
  readonly profiled: boolean;
  /** Absent: inputs are neither noted nor replayed. */
  readonly inputs?:
    | { readonly kind: "note" }
    | { readonly kind: "replay"; readonly trace: InputTrace; readonly lenient: boolean };
}

/** Host to executor: the broker's reply to call number `call`. */
export interface ReplyCommand {
  readonly type: "reply";
  readonly call: number;
  readonly reply: HostReply;
}

/**
 * Host to executor: end one run, by a trap as soon as its code stands still or its turn is over. The gateway knows why
 * itself, and does not wait for long: an executor in which something computes that takes no turns does not even read this.
 */
export interface StopCommand {
  readonly type: "stop";
  readonly run: string;
}

/** Host to preparer: plan the links of the component in the body and meter its modules. */
export interface PrepareCommand {
  readonly type: "prepare";
  readonly maxMemoryBytes: number;
  /** Whether every NaN is made the same one, so that the component repeats itself to the bit. */
  readonly canonicalNans: boolean;
  /** Whether its modules tell which function they are in: runs of it are profiled. */
  readonly profiled: boolean;
  /** Whether relaxed SIMD passes; a component that uses it is refused otherwise. */
  readonly relaxedSimd: boolean;
}

/** How the guest's code ended, as the executor tells it. */
export type GuestEnd =
  | { readonly kind: "completed"; readonly output: JsonValue }
  | { readonly kind: "failed"; readonly output: JsonValue }
  | { readonly kind: "trapped"; readonly reason: string }
  | { readonly kind: "exhausted"; readonly budget: ExecutorBudget };

/** Budgets that the executor itself sees exhausted. The broker sees the others. */
export const EXECUTOR_BUDGETS = [
  "fuel",
  "memory_bytes",
  "output_bytes",
  "lifted_bytes",
  "host_calls",
  "concurrent_calls",
  "handles",
  "table_elements",
  "call_depth",
  "random_bytes",
  "resident_bytes",
] as const;
/** One of {@link EXECUTOR_BUDGETS}. */
export type ExecutorBudget = (typeof EXECUTOR_BUDGETS)[number];

/** The steps of preparing a component, in order. */
const PREPARATION_STEPS: readonly PreparationStep["step"][] = [
  "decode",
  "plan",
  "validate",
  "meter",
  "compile",
];

/** Executor to host. */
export type Report =
  | { readonly type: "ready"; readonly runtime: string; readonly verified: readonly string[] }
  | { readonly type: "loaded"; readonly key: string }
  | {
      readonly type: "call";
      /** Many runs share one executor; each call says whose it is. Numbers are unique in the executor. */
      readonly run: string;
      readonly call: number;
      readonly name: string;
      readonly args: JsonValue;
      readonly fuelUsed: number;
      /** Of a noted run: what reached the guest since its last call. */
      readonly trace?: InputTrace;
    }
  | {
      readonly type: "end";
      readonly run: string;
      readonly end: GuestEnd;
      readonly fuelUsed: number;
      readonly memoryPeakBytes: number;
      /** It can not say that all of the run is over: it is to be given no other. */
      readonly doubtful: boolean;
      readonly trace?: InputTrace;
    }
  /**
   * The guest is suspended with no call of its under way, and has been for a while, or no longer: meanwhile another run
   * may have the processor.
   */
  | { readonly type: "pause"; readonly run: string; readonly waiting: boolean }
  /** It has computed for a while, and from now on lets others go between its turns; said once. */
  | { readonly type: "turns"; readonly run: string }
  | ({ readonly type: "prepared"; readonly steps: readonly PreparationStep[] } & Parts)
  | { readonly type: "refused"; readonly message: string };

/** Executor to host, with the bytes beside it. */
export type ReportFrame = Report & { readonly body: Uint8Array };

/**
 * Reads a report from an executor that may be lying.
 *
 * @throws {FrameError} naming the member at fault
 */
export function parseReport(frame: Frame): ReportFrame {
  const { head, body } = frame;
  switch (head["type"]) {
    case "ready":
      return { type: "ready", runtime: text(head, "runtime", 100), verified: texts(head, "verified"), body };
    case "loaded":
      return { type: "loaded", key: text(head, "key", 200), body };
    case "call":
      return {
        type: "call",
        run: text(head, "run", 100),
        call: count(head, "call"),
        name: text(head, "name", 100),
        args: json(head, "args"),
        fuelUsed: count(head, "fuelUsed"),
        ...parseTrace(head),
        body,
      };
    case "end":
      return {
        type: "end",
        run: text(head, "run", 100),
        end: parseEnd(head["end"]),
        fuelUsed: count(head, "fuelUsed"),
        memoryPeakBytes: count(head, "memoryPeakBytes"),
        doubtful: head["doubtful"] !== false,
        ...parseTrace(head),
        body,
      };
    case "pause":
      return { type: "pause", run: text(head, "run", 100), waiting: head["waiting"] === true, body };
    case "turns":
      return { type: "turns", run: text(head, "run", 100), body };
    case "prepared":
      return { type: "prepared", ...parseParts(head), steps: parseSteps(head["steps"]), body };
    case "refused":
      return { type: "refused", message: text(head, "message", 4096), body };
    default:
      throw new FrameError(`Cannot read a report of type ${JSON.stringify(head["type"])?.slice(0, 50)}`);
  }
}

/** Reads the `Parts` of a head, for the prepared component and for its cache file. */
export function parseParts(head: Frame["head"]): Parts {
  return {
    planBytes: count(head, "planBytes"),
    modules: parseCounts(head, "modules"),
    images: parseCounts(head, "images"),
    instantiationFuel: count(head, "instantiationFuel"),
    stacks: count(head, "stacks"),
  };
}

function parseSteps(value: unknown): readonly PreparationStep[] {
  if (!Array.isArray(value) || value.length > PREPARATION_STEPS.length)
    throw new FrameError("Cannot read a report: steps is not a list");
  return value.map((given: Frame["head"] | null) => {
    const step = PREPARATION_STEPS.find((name) => name === given?.["step"]);
    if (step === undefined) throw new FrameError("Cannot read a report: a step is not one of ours");
    return { step, ms: count({ ms: given?.["ms"] }, "ms") };
  });
}

function parseEnd(value: unknown): GuestEnd {
  if (typeof value !== "object" || value === null)
    throw new FrameError("Cannot read a report: end is not an object");
  const end = value as Frame["head"]; // An object, checked above; its members stay unknown.
  switch (end["kind"]) {
    case "completed":
    case "failed":
      return { kind: end["kind"], output: json(end, "output") };
    case "trapped":
      return { kind: "trapped", reason: text(end, "reason", 200) };
    case "exhausted": {
      const budget = EXECUTOR_BUDGETS.find((name) => name === end["budget"]);
      if (budget === undefined) throw new FrameError("Cannot read a report: end.budget is not a budget");
      return { kind: "exhausted", budget };
    }
    default:
      throw new FrameError("Cannot read a report: end.kind is not a kind of end");
  }
}

function parseCounts(head: Frame["head"], member: "modules" | "images"): readonly number[] {
  const value = head[member];
  if (!Array.isArray(value) || value.length > 1000)
    throw new FrameError(`Cannot read a report: ${member} is not a list`);
  return value.map((_, index) => count({ [member]: value[index] }, member));
}

function text(head: Frame["head"], member: string, limit: number): string {
  const value = head[member];
  if (typeof value !== "string" || value.length > limit)
    throw new FrameError(`Cannot read a report: ${member} is not a text`);
  return value;
}

function texts(head: Frame["head"], member: string): readonly string[] {
  const value = head[member];
  if (!Array.isArray(value) || value.length > 100)
    throw new FrameError(`Cannot read a report: ${member} is not a list`);
  return value.map((_, index) => text({ [member]: value[index] }, member, 100));
}

function count(head: Frame["head"], member: string): number {
  const value = head[member];
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0) {
    throw new FrameError(`Cannot read a report: ${member} is not a count`);
  }
  return value;
}

function json(head: Frame["head"], member: string): JsonValue {
  const value = head[member];
  if (value === undefined) throw new FrameError(`Cannot read a report: ${member} is missing`);
  return value as JsonValue; // Came out of JSON.parse, so it is JSON and nothing else.
}
