/**
 * What a command that runs one function reads: the component, the function, its input, a policy. `writ run` and
 * `writ profile` take the same flags for them.
 */
import { checkInput } from "../../core/component/index.ts";
import { parseStrictJson } from "../../core/manifest/index.ts";
import type { JsonValue } from "../../core/policy/index.ts";
import { type ComponentFunction, findFunction, type Intake } from "../../registry/index.ts";
import { loadConfig } from "../config.ts";
import { readInput, STDIN } from "../input.ts";
import { readOnePolicy } from "../policy-files.ts";
import { UsageError } from "../usage-error.ts";
import type { CliWorld, LocalGatewayOptions } from "../world.ts";
import { closedPolicy, toolNameOf } from "./closed-policy.ts";
import { openComponent } from "./component-file.ts";
import { judge, listFunctions } from "./verdict.ts";

/** Flags that say what is called, and under which policy. */
export interface CallFlags {
  readonly input?: string;
  readonly inputFile?: string;
  readonly policy?: string;
  readonly purpose?: string;
  readonly profiles?: string;
  readonly allowAddress?: readonly string[];
  /** Each as `name=path`, by comma. */
  readonly mounts?: string;
  readonly data?: string;
}

/** One call, ready to be made. */
export interface Call {
  /** The function's key, `interface/function`. */
  readonly key: string;
  readonly input: JsonValue;
  readonly purpose: string;
  /** For `openLocalGateway`. */
  readonly options: LocalGatewayOptions;
}

/** The policy of one run: which text, for whom, why. */
interface RunPolicy {
  readonly text: string;
  readonly source: string;
  readonly tool: string;
  readonly tier: string;
  readonly purpose: string;
}

/** Reads and checks all of it. @throws {UsageError} in words for whoever typed the command */
export async function readCall(
  world: CliWorld,
  path: string,
  name: string | undefined,
  flags: CallFlags,
): Promise<Call> {
  const { bytes: component, intake } = await openComponent(world, path);
  const callee = findCallee(intake, path, name);
  const input = await readRunInput(world, callee, flags);
  const policy = await choosePolicy(world, path, callee, flags);
  const { config } = await loadConfig(world, {
    dataFolder: flags.data,
    profilesFile: flags.profiles,
    mounts: flags.mounts,
  });
  return {
    key: callee.key,
    input,
    purpose: policy.purpose,
    options: {
      component,
      tool: policy.tool,
      tier: policy.tier,
      policyText: policy.text,
      policySource: policy.source,
      dataFolder: config.dataFolder,
      profilesFile: config.profilesFile,
      allowAddresses: flags.allowAddress ?? [],
      mounts: config.mounts,
    },
  };
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
async function readRunInput(
  world: CliWorld,
  callee: ComponentFunction,
  flags: CallFlags,
): Promise<JsonValue> {
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
  flags: CallFlags,
): Promise<RunPolicy> {
  if (flags.policy === undefined) {
    const purpose = flags.purpose ?? "local-run";
    const tool = toolNameOf(path);
    const text = closedPolicy(tool, callee.key, purpose);
    return { text, source: "the closed policy of a local run", tool, tier: "local", purpose };
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
