/**
 * `writ run`: one call of one function, without a server. The same gateway decides, meters, signs and logs; only the
 * door is another.
 */
import type { Command } from "commander";
import { GatewayError } from "../../core/errors.ts";
import type { InvocationAnswer } from "../../gateway/index.ts";
import type { CommandContext } from "../context.ts";
import { EXIT } from "../exit.ts";
import { printJson } from "../output.ts";
import type { CliWorld, LocalGateway } from "../world.ts";
import { type CallFlags, readCall } from "./call.ts";
import { printRun } from "./run-report.ts";

interface RunFlags extends CallFlags {
  readonly manifest?: string;
  readonly json?: boolean;
}

/** Adds the command. */
export function addRun(program: Command, { world, end }: CommandContext): void {
  program
    .command("run")
    .description(
      "Calls one function of a component under a policy, without a server; the run is signed and logged",
    )
    .argument("<component>", "a component's binary")
    .argument("[function]", "interface/function, or the function where that names only one")
    .option("--input <json>", "the function's parameters, by name (default: {})")
    .option("--input-file <file>", "the same from a file, or - for standard input")
    .option("--policy <file>", "the policy (default: one that reaches nothing and spends little)")
    .option("--purpose <name>", "why; default: the policy's purpose, when it names one only")
    .option("--manifest <file>", "write the signed execution manifest to this file")
    .option("--profiles <file>", "secret profiles (WRIT_PROFILES)")
    .option("--allow-address <cidr...>", "non-public addresses that may be reached, such as 127.0.0.1/32")
    .option("--mounts <list>", "folders that the policy may mount read-only, as name=path (WRIT_MOUNTS)")
    .option("--data <folder>", "keys, evidence and caches (WRIT_DATA)")
    .option("--json", "print the answer as the gateway gives it over HTTP")
    .addHelpText(
      "after",
      `\nExit code 0: completed; 1: a bad outcome; 2: refused, nothing ran.\n\nExample:\n  writ run hash.wasm sha256 --input '{"data":"aGVsbG8="}' --manifest hash.sigstore.json`,
    )
    .action(async (component: string, name: string | undefined, flags: RunFlags) => {
      end(await run(world, component, name, flags));
    });
}

async function run(
  world: CliWorld,
  path: string,
  name: string | undefined,
  flags: RunFlags,
): Promise<number> {
  const call = await readCall(world, path, name, flags);
  const local = await world.openLocalGateway(call.options);
  try {
    const { key, input, purpose } = call;
    const request = { tool: call.options.tool, function: key, input, purpose };
    const answer = await local.gateway.invoke(local.principal, request);
    const manifest = JSON.stringify(answer.manifest);
    if (flags.manifest !== undefined) await world.runtime.files.write(flags.manifest, `${manifest}\n`);
    if (flags.json) printJson(world, toBody(answer));
    else {
      const documents = [JSON.stringify(await local.gateway.jwks()), await local.gateway.trustedRoot()];
      await printRun(world, answer, documents, flags.manifest);
    }
    return answer.outcome.kind === "completed" ? EXIT.good : EXIT.bad;
  } catch (error) {
    if (error instanceof GatewayError) await keepDenial(world, local, error, flags);
    throw error;
  } finally {
    await local.close();
  }
}

/** A denial is signed too: the operator who asked for manifests gets that one. */
async function keepDenial(
  world: CliWorld,
  { gateway, principal }: LocalGateway,
  { refusal }: GatewayError,
  flags: RunFlags,
): Promise<void> {
  if (refusal.code !== "denied" || flags.manifest === undefined) return;
  const manifest = await gateway.findManifest(principal, refusal.decision);
  await world.runtime.files.write(flags.manifest, `${manifest}\n`);
  world.runtime.printError(`manifest of the denial: ${flags.manifest}`);
}

/** The body of the HTTP answer, so that what reads one reads the other. */
function toBody({ run: id, outcome, output, fallback, manifest, receipt }: InvocationAnswer): object {
  return { run: id, outcome, output, ...(fallback === undefined ? {} : { fallback }), manifest, receipt };
}
