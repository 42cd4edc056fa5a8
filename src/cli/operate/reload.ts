/** `writ reload`: has a gateway that runs read its operator's files again, and says what changed. */
import type { Command } from "commander";
import { z } from "zod";
import { loadConfig } from "../config.ts";
import type { CommandContext } from "../context.ts";
import { EXIT } from "../exit.ts";
import { formatCount, printable, printJson } from "../output.ts";
import { UsageError } from "../usage-error.ts";
import type { CliWorld, GatewayAnswer } from "../world.ts";

interface Flags {
  readonly url?: string;
  readonly json?: boolean;
}

const PATH = "/v1/operate/reload";
/** What a gateway says, as far as it is read here. */
const Answer = z.looseObject({
  action: z.string().nullable(),
  changes: z.array(z.string()),
  prepared: z
    .array(
      z.looseObject({
        tool: z.string(),
        steps: z.array(z.looseObject({ step: z.string(), ms: z.number() })),
      }),
    )
    .optional(),
  held: z.array(z.string()).optional(),
});
const Problem = z.looseObject({
  title: z.string(),
  detail: z.string().optional(),
  faults: z.array(z.string()).optional(),
  scope: z.string().optional(),
});

/** Adds the command. */
export function addReload(program: Command, { world, end }: CommandContext): void {
  program
    .command("reload")
    .description("Has a running gateway take its changed files over: all of them, or none")
    .option(
      "--url <url>",
      "where it listens (WRIT_URL; default: this machine, the port of the configuration)",
    )
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      "\nThe key is that of the environment's WRIT_KEY; it needs the scope operate. Policies, tools, profiles, tenants,\n" +
        "issuers, prices and service levels are read; what changed is signed into the log. Exit code 1 when a file has a\n" +
        "fault: then nothing has changed. On the gateway's own machine SIGHUP does the same.\n\n" +
        "Example:\n  WRIT_KEY=writ_… writ reload --url https://writ.example.com",
    )
    .action(async (flags: Flags) => {
      if (!(await reload(world, flags))) end(EXIT.bad);
    });
}

/** @returns false when the files have faults */
async function reload(world: CliWorld, flags: Flags): Promise<boolean> {
  const { runtime } = world;
  const key = runtime.env("WRIT_KEY");
  if (key === undefined || key === "")
    throw new UsageError("Cannot reload: WRIT_KEY is not set", [
      "it has to hold a key with the scope operate: writ keys issue --scopes operate",
    ]);
  const { config } = await loadConfig(world, {});
  const url = readUrl(flags.url ?? runtime.env("WRIT_URL") ?? `http://127.0.0.1:${config.port}`);
  const answer = await ask(world, url, key);
  const body = parse(answer.text);
  if (answer.status === 200) {
    const { action, changes, prepared, held } = Answer.parse(body);
    if (flags.json)
      printJson(world, { action, changes, ...(prepared && { prepared }), ...(held && { held }) });
    else {
      for (const { tool, steps } of prepared ?? []) {
        const times = steps.map(({ step, ms }) => `${step} ${ms}`).join(", ");
        runtime.print(`prepared   ${printable(`${tool}  ${times} ms`)}`);
      }
      if (action === null) runtime.print("nothing has changed");
      for (const change of changes) runtime.print(`reloaded   ${printable(change)}`);
      for (const tool of held ?? []) runtime.print(`held       ${printable(tool)}`);
    }
    return true;
  }
  const problem = Problem.safeParse(body);
  if (answer.status === 409 && problem.success && problem.data.faults !== undefined) {
    const { faults } = problem.data;
    if (flags.json) printJson(world, { faults });
    else {
      for (const fault of faults) runtime.printError(printable(fault));
      runtime.printError(`writ: nothing was changed: ${formatCount(faults.length, "fault")}`);
    }
    return false;
  }
  throw new UsageError(`Cannot reload: ${url} answered ${answer.status}`, [
    ...(problem.success ? [printable(problem.data.detail ?? problem.data.title)] : []),
    ...adviceFor(answer.status),
  ]);
}

async function ask(world: CliWorld, url: string, key: string): Promise<GatewayAnswer> {
  try {
    return await world.askGateway(`${url}${PATH}`, key);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new UsageError(`Cannot reload: no gateway answers at ${url}: ${printable(why)}`, [
      "start it with writ serve, or name another with --url",
    ]);
  }
}

function readUrl(text: string): string {
  const url = text.replace(/\/$/, "");
  if (/^https?:\/\/[^\s/?#@]+(\/[^\s?#]*)?$/.test(url)) return url;
  throw new UsageError(`Cannot reload: ${JSON.stringify(text)} is no URL such as http://127.0.0.1:8787`);
}

function adviceFor(status: number): readonly string[] {
  if (status === 401) return ["WRIT_KEY holds no live key of this gateway: writ keys list shows which are"];
  if (status === 403) return ["issue a key with the scope operate: writ keys issue --scopes operate"];
  if (status === 421) return ["name this host to the gateway with serve --allowed-hosts, or ask at its own"];
  return [];
}

/** @returns undefined when it is no JSON */
function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
