/** What `writ run` prints of an answer: its outcome, what it spent and what it did, as the signed manifest has them. */
import {
  joinTrust,
  parseTrust,
  type RunEvent,
  type RunPredicate,
  verifyBundle,
} from "../../core/manifest/index.ts";
import type { InvocationAnswer } from "../../gateway/index.ts";
import { verifySignature } from "../../identity/index.ts";
import { alignColumns, createPaint, printable } from "../output.ts";
import type { CliWorld } from "../world.ts";

/**
 * Prints an answer for people: the output on standard output, everything else on standard error, so that the output
 * can be piped.
 *
 * @param documents the gateway's own keys and log: its manifest is verified before it is quoted
 * @param manifestFile where the manifest was written, if anywhere
 */
export async function printRun(
  world: CliWorld,
  answer: InvocationAnswer,
  documents: readonly string[],
  manifestFile: string | undefined,
): Promise<void> {
  const { runtime } = world;
  const paint = createPaint(world);
  const predicate = await openManifest(answer.manifest, documents);
  const good = answer.outcome.kind === "completed";
  const { kind, ...details } = answer.outcome;
  const more = Object.keys(details).length === 0 ? "" : ` ${JSON.stringify(details)}`;
  runtime.printError(`${(good ? paint.good : paint.bad)(kind)}${printable(more)}`);
  if (good) runtime.print(JSON.stringify(answer.output, null, 2));
  if (answer.fallback !== undefined) {
    runtime.printError(`fallback ${printable(JSON.stringify(answer.fallback.value))}`);
  }
  for (const line of alignColumns(factRows(answer, predicate, manifestFile))) runtime.printError(line);
  if (predicate.events.length > 0) {
    runtime.printError(paint.bold(`events   ${predicate.events.length}`));
    for (const line of alignColumns(predicate.events.map(eventRow))) runtime.printError(line);
  }
}

/** @throws {TypeError} when our own gateway's manifest does not verify: a bug */
async function openManifest(manifest: object, documents: readonly string[]): Promise<RunPredicate> {
  const encode = (text: string) => new TextEncoder().encode(text);
  const parts = documents.flatMap((document) => {
    const read = parseTrust(encode(document));
    return read.ok ? [read.trust] : [];
  });
  const report = await verifyBundle(encode(JSON.stringify(manifest)), joinTrust(parts), verifySignature);
  if (!report.ok || report.predicate === undefined) {
    throw new TypeError(`Cannot verify the run's own manifest: ${report.checks.at(-1)?.detail}`);
  }
  return report.predicate;
}

function factRows(
  answer: InvocationAnswer,
  predicate: RunPredicate,
  manifestFile: string | undefined,
): readonly (readonly string[])[] {
  const { budget, isolation } = predicate;
  const used = Object.entries(budget ?? {}).flatMap(([name, { granted, used: spent }]) =>
    granted === 0 && (spent ?? 0) === 0 ? [] : [[name, `${spent ?? "not known"} of ${granted}`]],
  );
  return [
    ["run", answer.run],
    ...used,
    ["isolation", isolation === null ? "nothing ran" : isolation.level],
    ["policy", predicate.policy_id ?? "none"],
    ["receipt", `${answer.receipt.sequence}, ${answer.receipt.digest}`],
    ...(manifestFile === undefined ? [] : [["manifest", manifestFile]]),
  ];
}

function eventRow(event: RunEvent): readonly string[] {
  const detail = [event.target, event.result, event.clause && `by ${event.clause}`];
  const text = detail.filter((part) => part !== undefined && part !== "").join("  ");
  return [`${event.at_ms} ms`, event.effect, printable(event.import), printable(text)];
}
