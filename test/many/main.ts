/**
 * Three gateways on one PostgreSQL, under load, one of them killed with SIGKILL every second or so, and the database
 * stopped, and crashed, on the way, while an operator steers a tool. Then what is left is compared with what callers
 * were told, and what began with what the operator said.
 *
 * Run: `node test/many/main.ts [kills]`, or the same with Deno; ends with 1 when a bar is not met.
 */

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { runtime } from "#runtime";
import { joinTrust, parseTrust, verifyBundle } from "../../src/core/manifest/index.ts";
import {
  leafHash,
  parseCheckpoint,
  parseNote,
  parseProof,
  sameBytes,
  TreeEdge,
} from "../../src/core/merkle/index.ts";
import { createEvidence } from "../../src/evidence/index.ts";
import { signatureVerifier } from "../../src/identity/index.ts";
import { openDatabase, openSigners, writePublicKeys } from "../../src/wiring/index.ts";
import { type GatewayProcess, invokeTool, kill, Processes } from "../support/gateway-process.ts";
import { startPostgres } from "../support/postgres-server.ts";
import { addLimited, hashAlone } from "../support/small-tools.ts";
import { addSteered, changeSteered, examineSteering, STEERED, steer } from "./steering.ts";

const GATEWAYS = 3;
const CALLERS = 12;
const KILL_EVERY_MS = 1_500;
/** Runs of the limited tool that its policy gives; asked for until there are none, through every kill. */
const LIMIT = 200;

/** What a caller was told of a run. */
interface Told {
  readonly run: string;
  readonly sequence: number;
  readonly digest: string;
  /** Of the checkpoint that came with it. */
  readonly size: number;
  readonly root: Uint8Array;
}

const kills = Number(runtime.args[0] ?? 6);
const postgres = await startPostgres();
if (postgres === undefined) {
  console.log("skipped: npm has no PostgreSQL for this machine");
} else {
  const processes = new Processes();
  try {
    process.exitCode = (await attempt(postgres, processes)) ? 0 : 1;
  } finally {
    await processes.end();
    await postgres.remove();
  }
}

async function attempt(server: NonNullable<typeof postgres>, processes: Processes): Promise<boolean> {
  const folder = await processes.folder();
  const tools = await hashAlone(folder);
  await addLimited(tools, LIMIT);
  await addSteered(tools);
  const keys = join(folder, "keys");
  const start = (n: number) =>
    processes.start(join(folder, `gateway-${n}`), [
      ...["--database-url", server.url(), "--keys", keys, "--tools", tools],
      ...["--executors", "1", "--spares", "0", "--isolation", "process+permissions"],
    ]);
  const gateways: (GatewayProcess | undefined)[] = [await start(0)];
  const key = gateways[0]?.key ?? "";
  await changeSteered(tools);
  for (let n = 1; n < GATEWAYS; n++) gateways.push(await start(n));
  console.log(`${GATEWAYS} gateways, ${CALLERS} callers, ${kills} kills, the database stopped and crashed`);

  const told: Told[] = [];
  const refused = new Map<string, number>();
  let isOver = false;
  let wrong = 0;
  const call = async () => {
    while (!isOver) {
      const gateway = gateways[Math.floor(Math.random() * GATEWAYS)];
      // A balancer sends nothing to what does not listen.
      if (gateway === undefined) await pause(20);
      else {
        try {
          const tool = choose(Math.random());
          const input = { data: "aGVsbG8=" };
          const answer = await invokeTool(gateway, key, `${tool}/sha256`, input, "support-chat");
          if (answer.status === 200) told.push(read(answer.json));
          else {
            const code = String(answer.json?.type ?? answer.status).replace(/.*\//, "");
            refused.set(code, (refused.get(code) ?? 0) + 1);
            if (answer.json?.output !== undefined) wrong++;
            await pause(20);
          }
        } catch {
          // Killed under the caller's feet: what became of the run is in the log, or the run is open.
          refused.set("connection lost", (refused.get("connection lost") ?? 0) + 1);
        }
      }
    }
  };
  const callers = Array.from({ length: CALLERS }, call);
  const steering = steer(server.url(), folder);
  // Looked at below; a failure before that is no unhandled one.
  steering.catch(() => undefined);

  for (let n = 0; n < kills; n++) {
    await pause(KILL_EVERY_MS * (0.5 + Math.random()));
    const victim = n % GATEWAYS;
    const killed = gateways[victim];
    gateways[victim] = undefined;
    if (killed !== undefined) await kill(killed.child);
    if (n === Math.floor(kills / 3)) await restart(server, "SIGINT");
    if (n === Math.floor((2 * kills) / 3)) await restart(server, "SIGQUIT");
    gateways[victim] = await start(victim);
  }
  const spans = await steering;
  const before = told.length;
  await pause(KILL_EVERY_MS);
  const recovered = told.length - before;
  isOver = true;
  await Promise.all(callers);
  for (const gateway of gateways) if (gateway !== undefined) await kill(gateway.child);

  const faults = await examine(server.url(), keys, told, spans);
  if (wrong > 0) faults.push(`${wrong} refusals carried an output`);
  if (recovered === 0) faults.push("nobody was answered after the last kill");
  console.log(`told of ${told.length} runs, ${recovered} of them after the last kill`);
  console.log(`refused: ${[...refused].map(([code, count]) => `${count} ${code}`).join(", ") || "none"}`);
  for (const fault of faults.slice(0, 20)) console.log(`FAULT ${fault}`);
  console.log(`many gateways: ${faults.length} faults`);
  return faults.length === 0;
}

function choose(random: number): string {
  if (random < 0.2) return "limited";
  return random < 0.5 ? STEERED : "hash";
}

/** The database goes away for a second, in good order or as by a crash, and comes back. */
async function restart(server: NonNullable<typeof postgres>, signal: "SIGINT" | "SIGQUIT"): Promise<void> {
  await server.stop(signal);
  await pause(1_000);
  await server.start();
}

// biome-ignore lint/suspicious/noExplicitAny: an answer as it came
function read({ run, receipt }: any): Told {
  const checkpoint = parseCheckpoint(parseNote(parseProof(receipt.proof)?.checkpoint ?? "")?.text ?? "");
  if (checkpoint === undefined) throw new Error(`The receipt of ${run} has no checkpoint`);
  const { sequence, digest } = receipt;
  return { run, sequence, digest, size: Number(checkpoint.size), root: checkpoint.root };
}

/** @returns what is wrong with what is left */
async function examine(
  url: string,
  keysFolder: string,
  told: readonly Told[],
  spans: Parameters<typeof examineSteering>[1],
): Promise<string[]> {
  const faults: string[] = [];
  const signers = await openSigners(runtime, { keysFolder, origin: "localhost", address: undefined });
  await writePublicKeys(runtime, keysFolder, signers);
  const documents = await Promise.all(
    ["jwks.json", "trusted_root.json"].map((name) => readFile(join(keysFolder, name))),
  );
  const trust = joinTrust(documents.map(parseTrust).flatMap((read) => (read.ok ? [read.trust] : [])));
  const verify = signatureVerifier(runtime.verification);

  // Several reconcilers at once, each on a connection of its own: every open run is closed, and closed once.
  const stores = await Promise.all(Array.from({ length: GATEWAYS }, () => openDatabase(runtime, url)));
  const [store = await openDatabase(runtime, url)] = stores;
  const open = (await store.openRuns(Number.MAX_SAFE_INTEGER, 10_000)).map(({ run }) => run);
  const rounds = stores.map((one) =>
    createEvidence({ store: one, clock: runtime.clock, ...signers }).reconcile(Number.POSITIVE_INFINITY),
  );
  for (const { failed, error } of await Promise.all(rounds))
    if (failed > 0) faults.push(`a reconciler left ${failed} open: ${String(error)}`);
  if ((await store.openRuns(Number.MAX_SAFE_INTEGER, 1)).length > 0) faults.push("a run stayed open");
  console.log(`${open.length} open runs of dead gateways, closed by ${GATEWAYS} reconcilers at once`);

  const evidence = createEvidence({ store, clock: runtime.clock, ...signers });
  const byRun = new Map(told.map((one) => [one.run, one]));
  const rootsTold = new Map<number, Uint8Array>();
  for (const { size, root, run } of told) {
    const known = rootsTold.get(size);
    if (known !== undefined && !sameBytes(known, root))
      faults.push(`${run}: two roots of ${size} were signed`);
    rootsTold.set(size, root);
  }
  const edge = new TreeEdge(0);
  const closed = new Set<string>();
  let limited = 0;
  for (let sequence = 0; ; ) {
    const page = await store.listSeals(sequence, 500);
    for (const { seal, known } of page) {
      if (seal.sequence !== sequence++)
        faults.push(`sequence ${seal.sequence} where ${sequence - 1} was due`);
      if (closed.has(seal.run) || !known) faults.push(`${seal.run} is sealed twice, or by nobody`);
      closed.add(seal.run);
      const row = await store.findRunOfAnyTenant(seal.run);
      if (row?.intent.tool === "limited" && seal.outcome !== "denied") limited++;
      const one = byRun.get(seal.run);
      if (one !== undefined && (one.sequence !== seal.sequence || one.digest !== seal.digest))
        faults.push(`${seal.run} was told as something else`);
      edge.append(leafHash(new TextEncoder().encode(seal.entry)));
      const root = rootsTold.get(edge.size);
      if (root !== undefined && !sameBytes(root, edge.root()))
        faults.push(`a checkpoint of ${edge.size} was signed that is none of this log`);
      // Verifying all of them would take longer than making them.
      if (sequence % 20 !== 0 && !open.includes(seal.run)) continue;
      const text = new TextEncoder().encode(await evidence.manifest(seal));
      const report = await verifyBundle(text, trust, verify);
      const signed = report.ok ? (report.predicate?.run ?? report.action?.action) : undefined;
      if (signed !== seal.run) faults.push(`${seal.run} does not verify`);
    }
    if (page.length === 0) break;
  }
  for (const { run } of told) if (!closed.has(run)) faults.push(`${run} was told and is lost`);
  for (const run of open) if (!closed.has(run)) faults.push(`${run} was admitted and has no manifest`);
  if (Math.max(0, ...rootsTold.keys()) > edge.size) faults.push("a checkpoint covers more than the log has");
  console.log(`${edge.size} seals without a gap, ${rootsTold.size} checkpoints of one history`);
  if (limited > LIMIT) faults.push(`${limited} runs were let in where ${LIMIT} were given`);
  console.log(`${limited} runs of ${LIMIT} that a policy gives`);
  faults.push(...(await examineSteering(store, spans)));
  await examineLedger(url, faults);
  for (const one of stores) await one.close();
  return faults;
}

/** What the books say of themselves: nothing is booked twice, and nothing that has no seal. */
async function examineLedger(url: string, faults: string[]): Promise<void> {
  const server = await runtime.openPostgres(url);
  const connection = await server.connect();
  const [costs, leases] = await connection.send([
    {
      text: `SELECT count(*) AS entries, count(DISTINCT ledger.run) AS runs, count(seals.run) AS sealed
        FROM ledger LEFT JOIN seals ON seals.run = ledger.run WHERE kind = 'cost'`,
    },
    { text: "SELECT count(*) AS left FROM leases" },
  ]);
  const { entries, runs, sealed } = (costs?.rows[0] ?? {}) as Readonly<Record<string, number>>;
  const { left } = (leases?.rows[0] ?? {}) as Readonly<Record<string, number>>;
  if (entries !== runs || entries !== sealed)
    faults.push(`the ledger has ${entries} costs of ${runs} runs, ${sealed} of them sealed`);
  if (left !== 0) faults.push(`${left} leases are held by nobody`);
  console.log(`${entries} costs in the ledger, each of one sealed run; ${left} leases left`);
  connection.release();
  await server.close();
}
