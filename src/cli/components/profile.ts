/**
 * `writ profile`: where a call's fuel goes, function by function. The run is a real one, under a policy, with evidence;
 * it takes the fuel that it takes without being looked at.
 */
import type { Command } from "commander";
import { decode } from "../../core/component/index.ts";
import type { InvocationAnswer } from "../../gateway/index.ts";
import type { CommandContext } from "../context.ts";
import { EXIT } from "../exit.ts";
import { createPaint, printable, printJson } from "../output.ts";
import { UsageError } from "../usage-error.ts";
import type { CliWorld, RunProfile } from "../world.ts";
import { type CallFlags, readCall } from "./call.ts";
import { drawFlameGraph, formatUnits } from "./flame-graph.ts";
import { buildTree, type FunctionFuel, foldStacks, type PathFrame, sumFunctions } from "./fuel-profile.ts";

interface ProfileFlags extends CallFlags {
  readonly svg?: string;
  readonly folded?: string;
  readonly top: string;
  readonly json?: boolean;
}

/** Adds the command. */
export function addProfile(program: Command, { world, end }: CommandContext): void {
  program
    .command("profile")
    .description("Calls one function of a component and tells which of its functions spent the fuel")
    .argument("<component>", "a component's binary")
    .argument("[function]", "interface/function, or the function where that names only one")
    .option("--input <json>", "the function's parameters, by name (default: {})")
    .option("--input-file <file>", "the same from a file, or - for standard input")
    .option("--policy <file>", "the policy (default: one that reaches nothing and spends little)")
    .option("--purpose <name>", "why; default: the policy's purpose, when it names one only")
    .option("--svg <file>", "draw a flame graph there, for a browser")
    .option("--folded <file>", "write folded stacks there, for any other flame-graph tool")
    .option("--top <n>", "functions to list", "15")
    .option("--profiles <file>", "secret profiles (WRIT_PROFILES)")
    .option("--allow-address <cidr...>", "non-public addresses that may be reached, such as 127.0.0.1/32")
    .option("--mounts <list>", "folders that the policy may mount read-only, as name=path (WRIT_MOUNTS)")
    .option("--data <folder>", "keys, evidence and caches (WRIT_DATA)")
    .option("--json", "print JSON: every function, and how the run ended")
    .addHelpText(
      "after",
      `\nNames are those of the binary's name section; a tool built without one has numbers.\nExit code 0: completed; 1: a bad outcome, profiled all the same; 2: refused, nothing ran.\n\nExample:\n  writ profile hash.wasm sha256 --input '{"data":"aGVsbG8="}' --svg hash.svg`,
    )
    .action(async (component: string, name: string | undefined, flags: ProfileFlags) => {
      end(await profile(world, component, name, flags));
    });
}

async function profile(
  world: CliWorld,
  path: string,
  name: string | undefined,
  flags: ProfileFlags,
): Promise<number> {
  const top = readTop(flags.top);
  const { key, input, purpose, options } = await readCall(world, path, name, flags);
  let seen: RunProfile | undefined;
  const local = await world.openLocalGateway({
    ...options,
    onProfile: (profiled) => {
      seen = profiled;
    },
  });
  try {
    const request = { tool: options.tool, function: key, input, purpose };
    const answer = await local.gateway.invoke(local.principal, request);
    if (seen === undefined) {
      throw new UsageError(
        `Cannot profile ${key}: the run left no profile, it ended as ${answer.outcome.kind}`,
      );
    }
    const tree = buildTree(seen.nodes, coreModulesOf(options.component), seen.fuelUsed);
    await writeFiles(world, tree, `${options.tool} ${key}`, flags);
    if (flags.json) printProfileJson(world, key, answer, tree);
    else for (const line of report(world, key, answer, tree, top, flags)) world.runtime.print(line);
    return answer.outcome.kind === "completed" ? EXIT.good : EXIT.bad;
  } finally {
    await local.close();
  }
}

function readTop(text: string): number {
  const top = Number(text);
  if (Number.isInteger(top) && top > 0) return top;
  throw new UsageError(`Cannot list --top ${JSON.stringify(text)} functions: wanted a number from 1`);
}

function coreModulesOf(component: Uint8Array): readonly Uint8Array[] {
  return decode(component).coreModules.map(({ offset, byteLength }) =>
    component.subarray(offset, offset + byteLength),
  );
}

async function writeFiles(
  world: CliWorld,
  tree: PathFrame,
  title: string,
  flags: ProfileFlags,
): Promise<void> {
  const { files } = world.runtime;
  if (flags.svg !== undefined) await files.write(flags.svg, drawFlameGraph(tree, printable(title)));
  if (flags.folded !== undefined) await files.write(flags.folded, foldStacks(tree));
}

function printProfileJson(world: CliWorld, key: string, answer: InvocationAnswer, tree: PathFrame): void {
  const { run, outcome } = answer;
  printJson(world, { run, function: key, outcome, fuel: tree.total, functions: sumFunctions(tree) });
}

function report(
  world: CliWorld,
  key: string,
  { outcome }: InvocationAnswer,
  tree: PathFrame,
  top: number,
  flags: ProfileFlags,
): readonly string[] {
  const paint = createPaint(world);
  const functions = sumFunctions(tree);
  const rest = functions.slice(top);
  const restOwn = rest.reduce((sum, { own }) => sum + own, 0);
  return [
    `${paint.bold(printable(key))}  ${outcome.kind}, ${formatUnits(tree.total)} units of fuel in ${formatUnits(functions.length)} functions`,
    "",
    ...alignNumbers([
      ["own", "", "with callees", "", "entered", "function"],
      ...functions.slice(0, top).map((each) => rowOf(each, tree.total)),
      ...(rest.length > 0
        ? [
            [
              formatUnits(restOwn),
              percent(restOwn, tree.total),
              "",
              "",
              "",
              `${formatUnits(rest.length)} others`,
            ],
          ]
        : []),
    ]),
    ...(flags.svg === undefined ? [] : ["", `flame graph: ${flags.svg}`]),
    ...(flags.folded === undefined ? [] : [`folded stacks: ${flags.folded}`]),
  ];
}

function rowOf({ name, calls, own, total }: FunctionFuel, all: number): readonly string[] {
  return [
    formatUnits(own),
    percent(own, all),
    formatUnits(total),
    percent(total, all),
    formatUnits(calls),
    name,
  ];
}

function percent(part: number, all: number): string {
  return `${((part / Math.max(1, all)) * 100).toFixed(1)} %`;
}

/** Numbers to the right, the name to the left. */
function alignNumbers(rows: readonly (readonly string[])[]): readonly string[] {
  const widths = rows.reduce<number[]>(
    (known, row) => row.map((cell, at) => Math.max(known[at] ?? 0, cell.length)),
    [],
  );
  return rows.map(
    (row) =>
      `  ${row.map((cell, at) => (at === row.length - 1 ? cell : cell.padStart(widths[at] ?? 0))).join("  ")}`,
  );
}
