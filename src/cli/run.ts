/**
 * `writ run`: one call of one function, without a server. The same gateway decides, meters, signs and logs; only the
 * door is another.
 */
import type { Command } from "commander";
import { checkInput } from "../core/component/index.ts";
import { GatewayError } from "../core/errors.ts";
import { parseStrictJson } from "../core/manifest/index.ts";
import type { JsonValue } from "../core/policy/index.ts";
import type { InvocationAnswer } from "../gateway/index.ts";
import { type ComponentFunction, findFunction, type Intake } from "../registry/index.ts";
import { closedPolicy, toolNameOf } from "./closed-policy.ts";
import { openComponent } from "./component-file.ts";
import { type LoadedConfig, loadConfig } from "./config.ts";
import type { CommandContext } from "./context.ts";
import { EXIT } from "./exit.ts";
import { readInput, STDIN } from "./input.ts";
import { printJson } from "./output.ts";
import { readOnePolicy } from "./policy-files.ts";
import { printRun } from "./run-report.ts";
import { UsageError } from "./usage-error.ts";
import { judge, listFunctions } from "./verdict.ts";
import type { CliWorld, LocalGateway } from "./world.ts";

interface RunFlags {
  readonly input?: string;
  readonly inputFile?: string;
  readonly policy?: string;
  readonly purpose?: string;
  readonly manifest?: string;
  readonly profiles?: string;
  readonly allowAddress?: readonly string[];
  readonly data?: string;
  readonly json?: boolean;
}

/** The policy of one run: which text, for whom, why. */
interface RunPolicy {
  readonly text: string;
  readonly source: string;
  readonly tool: string;
  readonly tier: string;
  readonly purpose: string;
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
  const { bytes: component, intake } = await openComponent(world, path);
  const callee = findCallee(intake, path, name);
  const input = await readRunInput(world, callee, flags);
  const policy = await choosePolicy(world, path, callee, flags);
  const { config } = await loadLocalConfig(world, flags);

  const local = await world.openLocalGateway({
    component,
    tool: policy.tool,
    tier: policy.tier,
    policyText: policy.text,
    policySource: policy.source,
    dataFolder: config.dataFolder,
    profilesFile: config.profilesFile,
    allowAddresses: flags.allowAddress ?? [],
  });
  try {
    const request = { tool: policy.tool, function: callee.key, input, purpose: policy.purpose };
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

function findCallee(intake: Intake, path: string, name: string | undefined): ComponentFunction {
  const verdict = judge(intake);
  if (!verdict.runs)
    throw new UsageError(`Cannot run ${JSON.stringify(path)}: ${verdict.sentence}`, verdict.notes);
  const functions = intake.functions.map((it) => ({ ...it, description: "" }));
  const found = name === undefined ? undefined : findFunction({ functions }, name);
  if (found !== undefined) return found;
  const alike = functions.filter(({ function: func }) => func.name === name);
  const problem =
    name === undefined
      ? "no function was named"
      : alike.length > 1
        ? `${JSON.stringify(name)} names ${alike.length} functions`
        : `${JSON.stringify(name)} names no function`;
  throw new UsageError(
    `Cannot run ${JSON.stringify(path)}: ${problem}, wanted one of`,
    listFunctions(intake),
  );
}

/** Parsed and checked here, where the operator can be told what the function wants. */
async function readRunInput(world: CliWorld, callee: ComponentFunction, flags: RunFlags): Promise<JsonValue> {
  const { input, inputFile } = flags;
  if (input !== undefined && inputFile !== undefined) {
    throw new UsageError("Cannot run: --input and --input-file are both given, wanted one");
  }
  const file = inputFile ?? (input === STDIN ? STDIN : undefined);
  const bytes =
    file === undefined ? new TextEncoder().encode(input ?? "{}") : await readInput(world, file, "input");
  const json = parseStrictJson(bytes);
  if (!json.ok) throw new UsageError(`Cannot read input: ${json.reason}`);
  const faults = checkInput(callee.function, json.value);
  if (faults.length > 0) {
    const [signature = ""] = listFunctions({ functions: [callee] });
    throw new UsageError(`Cannot run ${callee.key}: the input does not fit`, [
      ...faults.map(({ pointer, detail }) => `/input${pointer} ${detail}`),
      `wanted: ${signature}`,
    ]);
  }
  return json.value;
}

async function choosePolicy(
  world: CliWorld,
  path: string,
  callee: ComponentFunction,
  flags: RunFlags,
): Promise<RunPolicy> {
  if (flags.policy === undefined) {
    const purpose = flags.purpose ?? "local-run";
    const tool = toolNameOf(path);
    const text = closedPolicy(tool, callee.key, purpose);
    return { text, source: "the closed policy of `writ run`", tool, tier: "local", purpose };
  }
  const { record, text } = await readOnePolicy(world, flags.policy);
  const { tool_id: tool, tenant_tier: tiers, purpose: purposes } = record.policy;
  const purpose = flags.purpose ?? (purposes.length === 1 ? purposes[0] : undefined);
  if (purpose === undefined) {
    throw new UsageError(
      `Cannot run: the policy names ${purposes.length} purposes, choose one with --purpose`,
      purposes,
    );
  }
  // A policy names at least one tier; which of them asks makes no difference within one policy.
  return { text, source: flags.policy, tool, tier: tiers[0] ?? "local", purpose };
}

function loadLocalConfig(world: CliWorld, flags: RunFlags): Promise<LoadedConfig> {
  return loadConfig(world, { dataFolder: flags.data, profilesFile: flags.profiles });
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
