/** `writ tools list|versions|history`: what there is, what is in force, and what was done. */
import type { Command } from "commander";
import { pageByName } from "../../core/page.ts";
import { rollbackTarget, type ToolState } from "../../core/rollout/index.ts";
import { describeChange } from "../../gateway/index.ts";
import type { ToolAction, ToolVersion } from "../../ports/index.ts";
import { policyIdsOf } from "../../registry/index.ts";
import { alignColumns, printable, printJson } from "../output.ts";
import { UsageError } from "../usage-error.ts";
import type { CliWorld } from "../world.ts";
import { inWords, type ToolFlags, withTools } from "./tools-common.ts";

interface NameFlags extends ToolFlags {
  readonly limit: string;
  readonly after?: string;
}

interface ListFlags extends ToolFlags {
  readonly limit: string;
  readonly before?: string;
}

/** Adds the commands. */
export function addToolLists(tools: Command, world: CliWorld): void {
  tools
    .command("list")
    .description("What of each tool is in force, by name")
    .option("--limit <number>", "how many, at most 100", "100")
    .option("--after <name>", "only tools behind this name")
    .option("--data <folder>", "the gateway's data folder")
    .option("--json", "print JSON")
    .addHelpText("after", "\nExample:\n  writ tools list --json")
    .action(async (flags: NameFlags) => {
      const { rows } = await withTools(world, flags, (opened) => opened.states());
      const { items, next } = pageByName(rows, ({ state }) => state.tool, readLimit(flags), flags.after);
      if (flags.json) printJson(world, { tools: items.map(({ state }) => state), ...(next && { next }) });
      else {
        for (const { state } of items) world.runtime.print(inWords(state));
        sayNext(world, `writ tools list --after ${next}`, next !== undefined);
      }
    });

  tools
    .command("versions")
    .description("Versions of a tool, newest first")
    .argument("<tool>", "its name")
    .option("--limit <number>", "how many, at most 100", "20")
    .option("--before <number>", "only older ones than this version")
    .option("--data <folder>", "the gateway's data folder")
    .option("--json", "print JSON")
    .addHelpText("after", "\nExample:\n  writ tools versions weather")
    .action(async (tool: string, flags: ListFlags) => {
      const before = flags.before === undefined ? undefined : readNumber(flags.before, "--before");
      const limit = readLimit(flags);
      const { found, state } = await withTools(world, flags, async (opened) => ({
        // One more than asked for tells whether a next page exists.
        found: await opened.listVersions(tool, limit + 1, before),
        state: (await opened.states()).rows.find((row) => row.state.tool === tool)?.state,
      }));
      if (state === undefined)
        throw new UsageError(`Cannot list versions: there is no tool ${JSON.stringify(tool)}`);
      const versions = found.slice(0, limit);
      const next = found.length > limit ? versions.at(-1)?.number : undefined;
      if (flags.json) {
        printJson(world, { state, versions: versions.map(describeVersionRow), ...(next && { next }) });
        return;
      }
      const rows = versions.map((version) => [
        String(version.number),
        version.digest.slice(0, 19),
        version.component.slice(0, 19),
        new Date(version.seenAtMs).toISOString(),
        roleOf(state, version.number),
      ]);
      const head = ["version", "digest", "component", "first seen", ""];
      for (const line of alignColumns([head, ...rows])) world.runtime.print(line);
      sayNext(world, `writ tools versions ${tool} --before ${next}`, next !== undefined);
    });

  tools
    .command("history")
    .description("What was done to a tool, newest first; each is signed in the log")
    .argument("[tool]", "its name; default: all tools")
    .option("--limit <number>", "how many, at most 100", "20")
    .option("--before <action>", "only older ones than this action")
    .option("--data <folder>", "the gateway's data folder")
    .option("--json", "print JSON")
    .addHelpText("after", "\nExample:\n  writ tools history weather")
    .action(async (tool: string | undefined, flags: ListFlags) => {
      const limit = readLimit(flags);
      const found = await withTools(world, flags, (opened) =>
        opened.listActions(tool, limit + 1, flags.before),
      );
      const actions = found.slice(0, limit);
      const next = found.length > limit ? actions.at(-1)?.id : undefined;
      if (flags.json) printJson(world, { actions, ...(next && { next }) });
      else {
        for (const action of actions) printAction(world, action);
        const again = tool === undefined ? "" : ` ${tool}`;
        sayNext(world, `writ tools history${again} --before ${next}`, next !== undefined);
      }
    });
}

function roleOf(state: ToolState, number: number): string {
  if (number === state.active) return "active";
  if (number === state.canary?.version) return "canary";
  return number === rollbackTarget(state) ? "rollback leads here" : "";
}

function describeVersionRow(version: ToolVersion): object {
  const { number, digest, component, seenAtMs } = version;
  return {
    version: number,
    digest,
    component,
    policies: policyIdsOf(version),
    firstSeen: new Date(seenAtMs).toISOString(),
  };
}

function printAction({ runtime }: CliWorld, action: ToolAction): void {
  runtime.print(
    `${new Date(action.atMs).toISOString()}  ${action.kind} by ${printable(action.by)}  ${action.id}`,
  );
  for (const change of describeChange(action)) runtime.print(`  ${printable(change)}`);
  if (action.settledMs !== undefined)
    runtime.print(`  last run of what it replaced after ${action.settledMs} ms`);
}

/** On standard error: what is piped stays the list alone. */
function sayNext({ runtime }: CliWorld, command: string, isMore: boolean): void {
  if (isMore) runtime.printError(`more with: ${command}`);
}

function readLimit({ limit }: Pick<ListFlags, "limit">): number {
  const value = readNumber(limit, "--limit");
  if (value <= 100) return value;
  throw new UsageError(`Cannot list: --limit is ${value}, wanted 1 to 100`);
}

function readNumber(text: string, name: string): number {
  if (/^[1-9][0-9]{0,8}$/.test(text)) return Number(text);
  throw new UsageError(`Cannot list: ${name} is ${JSON.stringify(text)}, wanted a number from 1`);
}
