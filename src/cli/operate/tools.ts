/**
 * `writ tools`: which versions of tools are in force, and the operator's hand on it. Works on the database, whether or not
 * gateways run on it; those that do follow within a second.
 */
import type { Command } from "commander";
import type { ToolCommand, ToolState } from "../../core/rollout/index.ts";
import type { CommandContext } from "../context.ts";
import { EXIT } from "../exit.ts";
import { formatCount, printJson } from "../output.ts";
import { UsageError } from "../usage-error.ts";
import type { CliWorld, Tools } from "../world.ts";
import { inWords, type ToolFlags, withTools } from "./tools-common.ts";
import { addToolLists } from "./tools-lists.ts";

interface CommandFlags extends ToolFlags {
  readonly note?: string;
}

interface CanaryFlags extends CommandFlags {
  readonly percent?: string;
  readonly tenants?: string;
}

interface SuspendFlags extends CommandFlags {
  readonly reason: string;
}

const TENANT = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/;

/** Adds the commands. */
export function addTools(program: Command, { world, end }: CommandContext): void {
  const tools = program
    .command("tools")
    .description("Versions of tools: lists, activates, tries out, rolls back, stops");
  addToolLists(tools, world);

  const act = async (tool: string, asked: ToolCommand, flags: CommandFlags): Promise<void> => {
    const isDone = await withTools(world, flags, (opened) => carryOut(world, opened, tool, asked, flags));
    if (!isDone) end(EXIT.bad);
  };
  const add = (name: string, description: string, example: string): Command =>
    tools
      .command(name)
      .description(description)
      .argument("<tool>", "its name")
      .option("--note <text>", "why, for the record", "")
      .option("--data <folder>", "the gateway's data folder")
      .option("--json", "print JSON")
      .addHelpText("after", `\nExample:\n  ${example}`);

  add("activate", "Makes a version the one that runs are given", "writ tools activate weather 3")
    .argument("<version>", "its number; see writ tools versions")
    .action((tool: string, version: string, flags: CommandFlags) =>
      act(tool, { kind: "activate", version: readVersion(version) }, flags),
    );

  add(
    "canary",
    "Gives a version to some of the runs; activate ends it well, rollback ends it",
    "writ tools canary weather 4 --percent 5 --tenants acme",
  )
    .argument("<version>", "its number")
    .option("--percent <share>", "of all runs, cut by the run's id: 0.01 to 100")
    .option("--tenants <names>", "by comma: all of whose runs are given it")
    .action((tool: string, version: string, flags: CanaryFlags) =>
      act(tool, readCanary(readVersion(version), flags), flags),
    );

  add(
    "rollback",
    "Ends a canary if there is one, else goes back to the version before",
    "writ tools rollback weather",
  ).action((tool: string, flags: CommandFlags) => act(tool, { kind: "rollback" }, flags));

  add(
    "suspend",
    "Stops a tool on every gateway: runs under way end as revoked, new ones are refused",
    "writ tools suspend weather --reason leaks-data",
  )
    .option("--reason <word>", "callers are told it", "operator")
    .action((tool: string, flags: SuspendFlags) =>
      act(tool, { kind: "suspend", reason: readReason(flags.reason) }, flags),
    );

  add("resume", "Lets a suspended tool run again", "writ tools resume weather").action(
    (tool: string, flags: CommandFlags) => act(tool, { kind: "resume" }, flags),
  );

  add(
    "floor",
    "Refuses a tenant every version older than this one",
    "writ tools floor weather 3 --tenant acme",
  )
    .argument("<version>", "the oldest that may be given; 0 = no floor")
    .option("--tenant <name>", "whom it is for; default: everyone", "*")
    .action((tool: string, version: string, flags: CommandFlags & { readonly tenant: string }) => {
      if (flags.tenant !== "*" && !TENANT.test(flags.tenant))
        throw new UsageError(`Cannot set floor: --tenant is ${JSON.stringify(flags.tenant)}, wanted a name`);
      const oldest = version === "0" ? 0 : readVersion(version);
      return act(tool, { kind: "floor", tenant: flags.tenant, version: oldest }, flags);
    });
}

/** @returns whether every gateway has it in force */
async function carryOut(
  world: CliWorld,
  tools: Tools,
  tool: string,
  asked: ToolCommand,
  { note = "", json }: CommandFlags,
): Promise<boolean> {
  const { runtime } = world;
  const startedAt = runtime.clock.monotonicMs();
  const done = await tools.command(tool, asked, note);
  if (done.kind === "unknown-tool") throw new UsageError(await unknownTool(tools, tool));
  if (done.kind === "refused") throw new UsageError(`Cannot ${asked.kind} ${tool}: ${done.why}`);
  if (done.kind === "unchanged") {
    if (json) printJson(world, { tool, changed: false, state: done.state });
    else runtime.print(`unchanged  ${inWords(done.state)}`);
    return true;
  }
  const { gateways, behind } = await tools.inForce(done.generation);
  const ms = Math.round(runtime.clock.monotonicMs() - startedAt);
  if (json) {
    const { action, before, after } = done;
    printJson(world, { tool, changed: true, action, before, state: after, gateways, behind, ms });
    return behind.length === 0;
  }
  runtime.print(`${asked.kind.padEnd(9)}  ${inWords(done.after)}`);
  for (const line of refusedTenants(done.after)) runtime.print(line);
  const where =
    gateways === 0 ? "no gateway runs; the next one starts with it" : formatCount(gateways, "gateway");
  runtime.print(`in force   ${where}${gateways === 0 ? "" : `, after ${ms} ms`}`);
  if (behind.length > 0)
    runtime.printError(
      `writ: ${formatCount(behind.length, "gateway")} did not follow: ${behind.join(", ")}; while they hear nothing from the database they let nothing run`,
    );
  return behind.length === 0;
}

/** Whom a floor keeps from what is active now: better said at once than found out by their callers. */
function refusedTenants({ tool, active, floors }: ToolState): readonly string[] {
  return floors
    .filter(({ version }) => version > active)
    .map(
      ({ tenant, version }) =>
        `refused    ${tenant === "*" ? "every tenant" : tenant}: their floor of ${tool} is version ${version}`,
    );
}

async function unknownTool(tools: Tools, tool: string): Promise<string> {
  const names = (await tools.states()).rows.map(({ state }) => state.tool);
  const known = names.length === 0 ? "no gateway has recorded any" : `there are ${names.join(", ")}`;
  return `Cannot find tool ${JSON.stringify(tool)}: ${known}`;
}

function readVersion(text: string): number {
  if (/^[1-9][0-9]{0,8}$/.test(text)) return Number(text);
  throw new UsageError(
    `Cannot read version ${JSON.stringify(text)}: wanted its number, as writ tools versions lists it`,
  );
}

function readCanary(version: number, { percent, tenants }: CanaryFlags): ToolCommand {
  if (percent === undefined && tenants === undefined)
    throw new UsageError("Cannot begin a canary: say --percent, --tenants, or both");
  const share = percent === undefined ? 0 : Number(percent);
  if (percent !== undefined && !(/^[0-9]{1,3}(\.[0-9]{1,2})?$/.test(percent) && share > 0 && share <= 100))
    throw new UsageError(
      `Cannot begin a canary: --percent is ${JSON.stringify(percent)}, wanted 0.01 to 100`,
    );
  const names = tenants?.split(",").map((name) => name.trim()) ?? [];
  const bad = names.find((name) => !TENANT.test(name));
  if (bad !== undefined)
    throw new UsageError(
      `Cannot begin a canary: --tenants has ${JSON.stringify(bad)}, wanted names by comma`,
    );
  return { kind: "canary", version, basisPoints: Math.round(share * 100), tenants: names };
}

function readReason(reason: string): string {
  if (/^[a-z][a-z0-9-]{0,62}$/.test(reason)) return reason;
  throw new UsageError(
    `Cannot suspend: --reason is ${JSON.stringify(reason)}, wanted a word such as leaks-data; --note takes a sentence`,
  );
}
