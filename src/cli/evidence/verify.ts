/**
 * `writ verify`: checks execution manifests offline, with keys that the verifier chose. It opens no connection, and it
 * believes no key that comes with the manifest.
 */
import type { Command } from "commander";
import type { VerificationReport } from "../../core/manifest/index.ts";
import type { CommandContext } from "../context.ts";
import { EXIT } from "../exit.ts";
import { readInput, STDIN } from "../input.ts";
import { alignColumns, createPaint, type Paint, printable, printJson } from "../output.ts";
import { readOnePolicy } from "../policy-files.ts";
import { UsageError } from "../usage-error.ts";
import type { CliWorld } from "../world.ts";
import { listRange } from "./log-range.ts";
import { manifestVerifier, readTrust, WITNESSES_FLAG } from "./trust.ts";
import { type AnswerCheck, type Compared, verifyDocument } from "./verify-answer.ts";

interface VerifyFlags {
  readonly trust?: readonly string[];
  readonly data?: string;
  readonly witnesses?: string;
  readonly log?: string;
  readonly range: string;
  readonly logOrigin?: string;
  readonly signer?: string;
  readonly input?: string;
  readonly output?: string;
  readonly component?: string;
  readonly policy?: string;
  readonly json?: boolean;
}

interface Verified {
  readonly path: string;
  readonly report: VerificationReport;
  readonly checks: readonly AnswerCheck[];
  readonly ok: boolean;
}

/** Adds the command. */
export function addVerify(program: Command, { world, end }: CommandContext): void {
  program
    .command("verify")
    .description("Verifies execution manifests offline; exit code 1 when one does not hold")
    .argument(
      "[manifest...]",
      "a manifest, a whole answer with its manifest, or a folder of them; - for standard input",
    )
    .option(
      "--trust <file...>",
      "trusted keys or a JWKS, and trusted_root.json of the log (default: keys/ of the data folder)",
    )
    .option(...WITNESSES_FLAG)
    .option("--data <folder>", "the data folder whose keys are trusted (WRIT_DATA)")
    .option("--log <folder>", "verify manifests of a log: a data folder, or an export with --manifests")
    .option("--range <from..until>", "which of the log's; either end may be left out", "..")
    .option("--log-origin <host>", "name of a data folder's log (WRIT_LOG_ORIGIN)")
    .option("--signer <address>", "unix:<path> of the signing process, if any (WRIT_SIGNER)")
    .option("--input <file>", "compare with this input")
    .option("--output <file>", "compare with this output")
    .option("--component <file>", "compare with this component")
    .option("--policy <file>", "compare with this policy")
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      "\nExample:\n  writ verify answer.json --trust jwks.json trusted_root.json --component weather.wasm",
    )
    .action(async (paths: readonly string[], flags: VerifyFlags) => {
      const trust = await readTrust(world, {
        ...flags,
        data: flags.data ?? (await ownData(world, flags.log)),
      });
      const compared = await readCompared(world, flags);
      const verified: Verified[] = [];
      const verify = manifestVerifier(world, trust.trust);
      let good = 0;
      for await (const { path, ofFolder, bytes } of listAll(world, paths, flags)) {
        const one = { path, ...(await verifyDocument(bytes, verify, compared)) };
        // Of a folder only what does not hold is kept and printed: it may have a million manifests.
        if (!ofFolder || !one.ok) verified.push(one);
        else if (++good % STEP === 0) world.runtime.printError(`writ: ${good} verified`);
      }
      print(world, verified, { source: trust.source, good }, flags.json === true);
      if (verified.some(({ ok }) => !ok)) end(EXIT.bad);
    });
}

/** The log's own keys are trusted when it is in the operator's own data folder, and nobody else is named. */
async function ownData(world: CliWorld, log: string | undefined): Promise<string | undefined> {
  if (log === undefined) return undefined;
  return (await world.runtime.files.mode(`${log}/writ.sqlite`)) === undefined ? undefined : log;
}

/** Everything that is named: files, folders, and a range of a log. */
async function* listAll(
  world: CliWorld,
  paths: readonly string[],
  { log, range, logOrigin, signer }: VerifyFlags,
): AsyncGenerator<{ readonly path: string; readonly ofFolder: boolean; readonly bytes: Uint8Array }> {
  if (paths.length === 0 && log === undefined)
    throw new UsageError("Cannot verify: name a manifest, a folder, or a log with --log");
  for await (const document of listDocuments(world, paths))
    yield { ...document, bytes: await readInput(world, document.path, "manifest") };
  if (log === undefined) return;
  for await (const document of listRange(world, { folder: log, range, logOrigin, signer }))
    yield { ...document, ofFolder: true };
}

async function readCompared(world: CliWorld, flags: VerifyFlags): Promise<Compared> {
  const { input, output, component, policy } = flags;
  return {
    ...(input === undefined ? {} : { input: await readInput(world, input, "input") }),
    ...(output === undefined ? {} : { output: await readInput(world, output, "output") }),
    ...(component === undefined ? {} : { component: await readInput(world, component, "component") }),
    ...(policy === undefined ? {} : { policyId: (await readOnePolicy(world, policy)).record.policyId }),
  };
}

/** Manifests of a folder between two lines of progress. */
const STEP = 1000;
/** What is taken for a manifest or an answer in a folder. */
const DOCUMENT = /\.json$/;

/**
 * The documents that the paths name, and those in the folders that they name, at any depth.
 *
 * @throws {UsageError} for a folder without any: a mistyped path must not look like good news
 */
async function* listDocuments(
  world: CliWorld,
  paths: readonly string[],
): AsyncGenerator<{ readonly path: string; readonly ofFolder: boolean }> {
  for (const path of paths) {
    const inside = path === STDIN ? [] : await world.runtime.files.list(path);
    // A file has nothing inside; nor has an empty folder, which can then not be read.
    if (inside.length === 0) yield { path, ofFolder: false };
    let found = 0;
    for await (const document of listFolder(world, path, inside)) {
      found++;
      yield { path: document, ofFolder: true };
    }
    if (inside.length > 0 && found === 0) {
      throw new UsageError(`Cannot verify folder ${JSON.stringify(path)}: no file in it ends with .json`);
    }
  }
}

async function* listFolder(
  world: CliWorld,
  folder: string,
  inside: Awaited<ReturnType<CliWorld["runtime"]["files"]["list"]>>,
): AsyncGenerator<string> {
  for (const { name, isFolder } of inside) {
    const path = `${folder}/${name}`;
    if (isFolder) yield* listFolder(world, path, await world.runtime.files.list(path));
    else if (DOCUMENT.test(name)) yield path;
  }
}

/** What was found: `good` = how many of folders hold and are not reported one by one. */
interface Found {
  readonly source: string;
  readonly good: number;
}

function print(world: CliWorld, verified: readonly Verified[], found: Found, json: boolean): void {
  const { source, good } = found;
  if (json) {
    const results = verified.map(({ path, ok, checks, report }) => ({
      path,
      ok,
      checks,
      ...(report.ok ? { keyId: report.keyId, digest: report.digest, ...signedOf(report) } : {}),
    }));
    printJson(world, { ok: verified.every(({ ok }) => ok), trust: source, good, results });
    return;
  }
  const paint = createPaint(world);
  for (const one of verified) for (const line of reportLines(one, source, paint)) world.runtime.print(line);
  if (good > 0)
    world.runtime.print(`${paint.good("verified")}  ${good} more in folders, by ${printable(source)}`);
}

function reportLines(
  { path, ok, checks, report }: Verified,
  source: string,
  paint: Paint,
): readonly string[] {
  // Aligned before they are painted: colours have no width.
  const lines = alignColumns(checks.map(({ check, detail }) => [check, printable(detail)]));
  const marked = lines.map((line, index) => {
    const good = checks[index]?.ok === true;
    return `  ${good ? paint.good("✓") : paint.bad("✗")}${line.slice(1)}`;
  });
  const summary = report.ok && ok ? summarize(report) : [];
  const verdict = ok
    ? `${paint.good("verified")}  by ${printable(source)}`
    : `${paint.bad("not verified")}  ${checks.findLast((check) => !check.ok)?.check ?? "nothing was checked"} does not hold`;
  return [paint.bold(printable(path)), ...marked, ...summary, verdict];
}

/** What was signed, as JSON: `predicate` of a run, `action` of an operator. */
function signedOf({ predicate, action }: VerificationReport & { readonly ok: true }): object {
  return action === undefined ? { predicate } : { action };
}

function summarize({ predicate, action }: VerificationReport & { readonly ok: true }): readonly string[] {
  if (action !== undefined) {
    const head = `action ${action.action} ${action.kind} by ${action.actor}, ${action.finished_at}`;
    return [head, ...action.changes.map((change) => `  ${change}`)].map((line) => `  ${printable(line)}`);
  }
  if (predicate === undefined) return [];
  const { run, tool, function: name, tenant, purpose, outcome, finished_at: at, events } = predicate;
  const denied = events.filter(({ effect }) => effect === "denied").length;
  const text = `${outcome.kind}: ${tool} ${name} for ${tenant}, ${purpose}, ${at}; ${events.length} events, ${denied} denied`;
  return [`  ${printable(`run ${run} ${text}`)}`];
}
