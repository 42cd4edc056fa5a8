/**
 * A thousand runs of the sample tools, recorded on one runtime and run again on the other: all must do the same, to
 * the unit of fuel. Real gateways, real executors, the demo's service behind the weather tool.
 *
 * Run: `node test/journal/thousand.ts [runs]`; ends with 1 when a run does anything else than it did.
 */

import { cp, mkdir, mkdtemp, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runtime } from "#runtime";
import { signedPredicate } from "../../src/cli/evidence/journal-file.ts";
import { readOffer } from "../../src/compose.ts";
import { readJournal } from "../../src/core/journal/index.ts";
import { type ReplayedTool, type ReplayReport, replay } from "../../src/gateway/index.ts";
import { journalHash } from "../../src/journal/index.ts";
import { findFunction, inspectComponent } from "../../src/registry/index.ts";
import { startServer } from "../../src/serve.ts";
import { openRecords } from "../../src/wiring/index.ts";
import { admit } from "../support/components.ts";
import { EACH_RUNTIME } from "../support/each-runtime.ts";
import { removeFolder } from "../support/folder.ts";
import { type Answer, callGateway, PROJECT, testConfig } from "../support/gateway.ts";
import { openSandbox } from "../support/sandbox.ts";
import { type Call, makeCalls } from "./calls.ts";

const TOOLS = ["hash", "text", "weather", "rogue"];
/** Calls of one gateway at once: enough that runs share an executor while they wait. */
const AT_ONCE = 6;

/** The sample tools as they are built, under policies that keep a journal. @returns the tools' folder */
async function journaledTools(folder: string): Promise<string> {
  for (const tool of TOOLS) {
    const from = join(PROJECT, ".writ", "tools", tool);
    const to = join(folder, "tools", tool);
    await mkdir(to, { recursive: true });
    await cp(from, to, { recursive: true });
    const policy = await readFile(join(to, "policy.yaml"), "utf8");
    // A busy machine must not end what would have ended by itself.
    const longer = policy.replace(
      /max_duration_ms: \d+/,
      `max_duration_ms: ${tool === "rogue" ? 15_000 : 60_000}`,
    );
    await writeFile(
      join(to, "policy.yaml"),
      `${longer}\nevidence: { journal: full, journal_bytes: 16MiB }\n`,
    );
  }
  return join(folder, "tools");
}

async function record(
  toolsFolder: string,
  dataFolder: string,
  spawnExecutor: typeof runtime.spawnExecutor,
  calls: readonly Call[],
): Promise<void> {
  const quiet = { ...runtime, spawnExecutor, print: () => undefined, printError: () => undefined };
  const config = testConfig(dataFolder, { toolsFolder, demo: true, logLevel: "silent" });
  const server = await startServer(quiet, config, () => undefined);
  const left = calls.values();
  try {
    await Promise.all(
      Array.from({ length: AT_ONCE }, () => makeRuns(server.url, server.bootstrapKey ?? "", left)),
    );
  } finally {
    await server.stop();
  }
}

async function makeRuns(url: string, key: string, calls: Iterable<Call>): Promise<void> {
  for (const call of calls) {
    let answer = await makeRun(url, key, call);
    // A gateway that is full says so, and a caller comes back; what was turned away did not run.
    for (let attempt = 0; answer.status === 503 && attempt < 20; attempt++) {
      await new Promise((resolve) => setTimeout(resolve, 1000));
      answer = await makeRun(url, key, call);
    }
    if (answer.status !== 200)
      throw new Error(`${call.function} was answered ${answer.status}: ${answer.text.slice(0, 500)}`);
  }
}

function makeRun(url: string, key: string, { tool, function: func, input, purpose }: Call): Promise<Answer> {
  return callGateway(url, `/v1/tools/${tool}/${func.split("/")[1]}`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    body: JSON.stringify({ input, purpose }),
  });
}

/** What a recording came to, when it was run again. */
interface Tally {
  runs: number;
  /** Sealed as what never began, because no executor was free. */
  turnedAway: number;
  calls: number;
  readonly verdicts: Map<string, number>;
  readonly outcomes: Map<string, number>;
  readonly faults: string[];
}

async function repeat(
  dataFolder: string,
  spawn: typeof runtime.spawnExecutor,
  tools: ReadonlyMap<string, ReplayedTool>,
  tally: Tally,
): Promise<void> {
  // Prepared once for both runtimes.
  const box = await openSandbox({ spawn, executors: 2, cacheFolder: join(dataFolder, "cache") });
  const records = await openRecords(runtime, { dataFolder });
  try {
    const runs = records.runs(0)[Symbol.asyncIterator]();
    const repeatNext = async (): Promise<void> => {
      for (let next = await runs.next(); !next.done; next = await runs.next()) {
        const predicate = signedPredicate(next.value);
        const { run } = next.value.intent;
        const text = await records.readJournal(run);
        if (predicate === undefined || text === undefined) throw new Error(`${run} has no journal`);
        const tool = tools.get(`${predicate.artifact_hash} ${predicate.function}`);
        if (tool === undefined) throw new Error(`${run} is of a component that is not here`);
        if (predicate.journal_hash !== journalHash(text))
          tally.faults.push(`${run}: not the journal that was signed`);
        const journal = readJournal(text);
        if (journal.end.inputs === undefined) tally.turnedAway += 1;
        else note(tally, run, predicate.function, await replay(box.sandbox, tool, journal));
      }
    };
    await Promise.all([repeatNext(), repeatNext()]);
  } finally {
    await records.close();
    await box.close();
  }
}

function note(tally: Tally, run: string, func: string, report: ReplayReport): void {
  const { verdict, outcome, calls, divergence } = report;
  const kind = outcome.expected.kind;
  tally.runs += 1;
  tally.calls += calls.same;
  tally.verdicts.set(verdict, (tally.verdicts.get(verdict) ?? 0) + 1);
  tally.outcomes.set(kind, (tally.outcomes.get(kind) ?? 0) + 1);
  // A run may be cut only by its time.
  if (verdict === "diverged" || (verdict === "cut" && kind !== "timed-out"))
    tally.faults.push(`${run} ${func} ${kind}: ${JSON.stringify(divergence ?? report.cut)}`);
}

async function findTools(): Promise<ReadonlyMap<string, ReplayedTool>> {
  const offer = await readOffer(runtime);
  const found = new Map<string, ReplayedTool>();
  for (const name of TOOLS) {
    const bytes = await runtime.files.read(join(PROJECT, ".writ", "tools", name, `${name}.wasm`));
    if (bytes === undefined) throw new Error(`The sample tool ${name} is not built`);
    const [intake, component] = await Promise.all([inspectComponent(bytes, offer), admit(bytes)]);
    const functions = intake.functions.map((it) => ({ ...it, description: "" }));
    for (const { key } of functions) {
      const callee = findFunction({ functions }, key);
      if (callee !== undefined) found.set(`sha256:${intake.digest} ${key}`, { component, callee });
    }
  }
  return found;
}

function list(counts: ReadonlyMap<string, number>): string {
  return [...counts].map(([name, count]) => `${count} ${name}`).join(", ");
}

const total = Number(process.argv[2] ?? 1000);
const folder = await mkdtemp(join(tmpdir(), "writ-thousand-"));
const tally: Tally = {
  runs: 0,
  turnedAway: 0,
  calls: 0,
  verdicts: new Map(),
  outcomes: new Map(),
  faults: [],
};
try {
  const toolsFolder = await journaledTools(folder);
  const tools = await findTools();
  const calls = makeCalls(total);
  for (const [index, [name, spawn]] of EACH_RUNTIME.entries()) {
    const [otherName, otherSpawn] = EACH_RUNTIME[1 - index] ?? [name, spawn];
    const share = calls.filter((_, n) => n % 2 === index);
    const dataFolder = join(folder, name);
    if (index > 0) await cp(join(folder, "node", "cache"), join(dataFolder, "cache"), { recursive: true });
    const begun = performance.now();
    await record(toolsFolder, dataFolder, spawn, share);
    const recorded = performance.now();
    await repeat(dataFolder, otherSpawn, tools, tally);
    const seconds = (from: number, to: number) => `${Math.round((to - from) / 1000)} s`;
    console.log(
      `${share.length} runs recorded on ${name} in ${seconds(begun, recorded)}, run again on ${otherName} in ${seconds(recorded, performance.now())}`,
    );
  }
} finally {
  await removeFolder(folder);
}
console.log(`${tally.runs} runs with ${tally.calls} calls of their hosts: ${list(tally.verdicts)}`);
console.log(`they had ended: ${list(tally.outcomes)}`);
if (tally.turnedAway > 0) console.log(`${tally.turnedAway} more were turned away and made again`);
for (const fault of tally.faults) console.log(fault);
if (tally.faults.length > 0 || tally.runs !== total) process.exitCode = 1;
