/**
 * `writ verify`: checks execution manifests offline, with keys that the verifier chose. It opens no connection, and it
 * believes no key that comes with the manifest.
 */
import type { Command } from "commander";
import type { VerificationReport } from "../core/manifest/index.ts";
import type { CommandContext } from "./context.ts";
import { EXIT } from "./exit.ts";
import { readInput } from "./input.ts";
import { alignColumns, createPaint, type Paint, printable, printJson } from "./output.ts";
import { readOnePolicy } from "./policy-files.ts";
import { readTrust } from "./trust.ts";
import { type AnswerCheck, type Compared, verifyDocument } from "./verify-answer.ts";
import type { CliWorld } from "./world.ts";

interface VerifyFlags {
  readonly trust?: readonly string[];
  readonly data?: string;
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
    .argument("<manifest...>", "a manifest, or a whole answer with its manifest; - for standard input")
    .option(
      "--trust <file...>",
      "trusted keys or a JWKS, and trusted_root.json of the log (default: keys/ of the data folder)",
    )
    .option("--data <folder>", "the data folder whose keys are trusted (WRIT_DATA)")
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
      const trust = await readTrust(world, flags);
      const compared = await readCompared(world, flags);
      const verified: Verified[] = [];
      for (const path of paths) {
        const bytes = await readInput(world, path, "manifest");
        verified.push({ path, ...(await verifyDocument(bytes, trust.trust, compared)) });
      }
      print(world, verified, trust.source, flags.json === true);
      if (verified.some(({ ok }) => !ok)) end(EXIT.bad);
    });
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

function print(world: CliWorld, verified: readonly Verified[], source: string, json: boolean): void {
  if (json) {
    const results = verified.map(({ path, ok, checks, report }) => ({
      path,
      ok,
      checks,
      ...(report.ok ? { keyId: report.keyId, digest: report.digest, predicate: report.predicate } : {}),
    }));
    printJson(world, { ok: verified.every(({ ok }) => ok), trust: source, results });
    return;
  }
  const paint = createPaint(world);
  for (const one of verified) for (const line of reportLines(one, source, paint)) world.runtime.print(line);
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

function summarize({ predicate }: VerificationReport & { readonly ok: true }): readonly string[] {
  const { run, tool, function: name, tenant, purpose, outcome, finished_at: at, events } = predicate;
  const denied = events.filter(({ effect }) => effect === "denied").length;
  const text = `${outcome.kind}: ${tool} ${name} for ${tenant}, ${purpose}, ${at}; ${events.length} events, ${denied} denied`;
  return [`  ${printable(`run ${run} ${text}`)}`];
}
