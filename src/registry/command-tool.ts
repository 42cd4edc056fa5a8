/** Carries out what an operator asks for a tool: from the state as it is in the store to the state as it is to be. */
import { type Commanded, command, type ToolCommand, type ToolState } from "../core/rollout/index.ts";
import type { VersionStore } from "../ports/index.ts";

/** Who asks, and what is remembered of it. */
export interface CommandContext {
  /** `act_` and a ULID. */
  readonly id: string;
  readonly atMs: number;
  /** A principal's id, `cli`, or `rule:<name>`. */
  readonly by: string;
  /** For people. */
  readonly note: string;
}

/** What came of it. */
export type CommandedTool =
  | {
      readonly kind: "changed";
      readonly action: string;
      readonly before: ToolState;
      readonly after: ToolState;
      /** A gateway that has this generation in force has the change in force. */
      readonly generation: number;
    }
  | { readonly kind: "unchanged"; readonly state: ToolState }
  | { readonly kind: "unknown-tool" }
  /** A sentence for the operator. */
  | { readonly kind: "refused"; readonly why: string };

/** Two operators who act at once see each other's change; more than this many at once are told to try again. */
const ATTEMPTS = 5;

/**
 * Commands a tool.
 *
 * @param expected where given, nothing is done unless the state is still this one: what a rule judged
 */
export async function commandTool(
  versions: VersionStore,
  tool: string,
  asked: ToolCommand,
  context: CommandContext,
  expected?: ToolState,
): Promise<CommandedTool> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const row = (await versions.states()).rows.find(({ state }) => state.tool === tool);
    if (row === undefined) return { kind: "unknown-tool" };
    const { state: before, revision } = row;
    if (expected !== undefined && JSON.stringify(expected) !== JSON.stringify(before))
      return { kind: "unchanged", state: before };
    const [newest] = await versions.listVersions(tool, 1);
    const commanded: Commanded = command(before, asked, newest?.number ?? 0, context.atMs);
    if (commanded.kind === "refused") return commanded;
    if (commanded.kind === "unchanged") return { kind: "unchanged", state: before };
    const after = commanded.next;
    const { id, atMs, by, note } = context;
    if (await versions.change(revision, { id, tool, atMs, kind: asked.kind, by, note, before, after })) {
      return { kind: "changed", action: id, before, after, generation: await versions.generation() };
    }
  }
  return {
    kind: "refused",
    why: `others change "${tool}" at the same time; look at its state and try again`,
  };
}
