/** What a capability's file gives to the table in `calls.ts`, and what it is given. */
import type { z } from "zod";
import type { RunEvent } from "../core/manifest/index.ts";
import type { Grant, JsonValue } from "../core/policy/index.ts";
import type { HostReply, ItemStore } from "../ports/index.ts";
import type { RunBook } from "./book.ts";
import type { EchoFilter } from "./echo.ts";
import type { AddressBlock, BlockReserve, Egress } from "./egress/index.ts";
import type { Mount } from "./mounts.ts";
import type { Owner, ToolCall, ToolCallEnd } from "./open-run.ts";
import type { SecretProfile } from "./profiles.ts";
import type { RunTrace } from "./trace-context.ts";

/** Everything a capability may use while it serves one run. */
export interface RunContext {
  readonly book: RunBook;
  readonly grants: readonly Grant[];
  /** The profile that a grant names, resolved. */
  profile(name: string): SecretProfile;
  /** The operator's folder that a grant names. */
  mount(name: string): Mount;
  /** Overwrites the run's secrets in what a guest is given. */
  readonly echo: EchoFilter;
  /** Tells that a secret was found. @returns whether the run may go on */
  found(): boolean;
  readonly egress: Egress;
  /** Where its response bodies have their memory from, and leave it at the end. */
  readonly reserve: BlockReserve;
  /** Runs of one such name may share connections; absent = none are shared. */
  readonly pool?: string;
  /** The trace that the run is part of; absent = none goes out. */
  readonly trace?: RunTrace;
  /** Asked before a request is made a second time; absent = it may be. */
  readonly mayResend?: () => Promise<boolean>;
  /** Where this run's tool keeps what it keeps; a grant to keep anything opens no run without it. */
  readonly keeping?: Keeping;
  /** Runs another tool's function; a grant to call any opens no run without it. */
  readonly callTool?: (call: ToolCall) => Promise<ToolCallEnd>;
  /** Opens the run of a callee, which draws on this run's lease. */
  readonly openCallee: ToolCall["open"];
  /** Wall clock. */
  nowMs(): number;
  /** Address blocks that the operator opened for every run. */
  readonly open: readonly AddressBlock[];
}

/** A place to keep things, and for whom. */
export interface Keeping {
  readonly items: ItemStore;
  readonly owner: Owner;
}

/**
 * Serves one call by name; `args` are hostile until parsed.
 *
 * `fuelUsed` is what the executor says the run has spent: it can lie, and then it lies about its own fuel alone. `spanId`
 * is whoever watches' name for the call.
 */
export type CallHandler = (
  args: JsonValue,
  body: Uint8Array,
  fuelUsed: number,
  spanId?: string,
) => HostReply | Promise<HostReply>;

/** A line of captured text, for the operator. */
export interface DiagnosticLine {
  readonly stream: "log" | "stdout" | "stderr";
  readonly text: string;
}

/** One capability, live for one run. */
export interface Capability {
  readonly calls: Readonly<Record<string, CallHandler>>;
  /** Events written once, at the end of the run, instead of one per call. */
  summary?(): readonly (Pick<RunEvent, "import" | "effect"> & Partial<RunEvent>)[];
  /** Captured text so far. */
  diagnostics?(): readonly DiagnosticLine[];
}

/**
 * What came over the pipe can not have come from our executor: somebody else speaks through it, so the run ends.
 * A guest alone can never cause this; what a guest can get wrong has a typed error instead.
 */
export class ProtocolViolation extends Error {
  override readonly name = "ProtocolViolation";
}

/** Finds the grant of a kind among a run's grants. */
export function grantOf<Kind extends Grant["kind"]>(
  grants: readonly Grant[],
  kind: Kind,
): Extract<Grant, { kind: Kind }> | undefined {
  return grants.find((grant): grant is Extract<Grant, { kind: Kind }> => grant.kind === kind);
}

/**
 * Reads a call's arguments.
 *
 * @throws {ProtocolViolation} when they are not of the shape that our executor sends
 */
export function parseArgs<Shape extends z.ZodType>(shape: Shape, args: JsonValue): z.infer<Shape> {
  const parsed = shape.safeParse(args);
  if (!parsed.success) throw new ProtocolViolation("Cannot read arguments of a call: not of their shape");
  return parsed.data;
}

/** Done, nothing to say. */
export const OK: HostReply = Object.freeze({ kind: "ok", value: null });
