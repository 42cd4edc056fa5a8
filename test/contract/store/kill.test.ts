/**
 * Kills a writing process at random moments and looks at what it left. SIGKILL shows that acknowledgements follow
 * commits; that commits follow the disk is SQLite's `synchronous = FULL`, which no kill can show.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { expect, it } from "vitest";
import { runtime } from "#runtime";
import { openStore } from "../../../src/stores/index.ts";
import { temporaryFolder } from "../../support/sqlite.ts";
import { intentOf, sealOf } from "./intents.ts";

const KILLS = 12;
const CHILD = join(import.meta.dirname, "kill-child.ts");
const ARGUMENTS = runtime.name === "deno" ? ["run", "-A", "--no-check", CHILD] : [CHILD];

it(`openStore() keeps every acknowledged seal through ${KILLS} kills`, async () => {
  const folder = await temporaryFolder();
  const path = join(folder.path, "writ.db");
  const acknowledged = new Map<number, string>();
  for (let kill = 0; kill < KILLS; kill++) {
    const said = await writeUntilKilled(path, kill * 100_000);
    expect(said.length, "the child acknowledged something before it died").toBeGreaterThan(0);
    for (const [sequence, run] of said) acknowledged.set(sequence, run);

    const store = await openStore(runtime.openSqlite(path));
    const rows = await store.listRuns("acme", 1_000_000);
    const sealed = rows.flatMap(({ intent, seal }) =>
      seal === undefined ? [] : [[seal.sequence, intent.run] as const],
    );
    expect(sealed.map(([sequence]) => sequence).toSorted((a, b) => a - b)).toEqual(
      sealed.map((_, index) => index),
    );
    const stored = new Map(sealed);
    for (const [sequence, run] of acknowledged) expect(stored.get(sequence)).toBe(run);
    const open = rows.filter(({ seal }) => seal === undefined).map(({ intent }) => intent.run);
    const listed = await store.openRuns(Number.MAX_SAFE_INTEGER, 1000);
    expect(listed.map(({ run }) => run).toSorted()).toEqual(open.toSorted());
    await store.close();
  }
  const store = await openStore(runtime.openSqlite(path));
  await store.recordIntent(intentOf(99_000_000));
  const { sequence } = await store.seal(sealOf(intentOf(99_000_000)));
  expect(sequence).toBeGreaterThanOrEqual(acknowledged.size);
  await store.close();
  await folder.remove();
});

/** @returns what the child acknowledged, whole lines only. */
async function writeUntilKilled(path: string, first: number): Promise<[number, string][]> {
  const child = spawn(process.execPath, [...ARGUMENTS, path, String(first)], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  let diagnostics = "";
  child.stderr.on("data", (chunk: Buffer) => {
    diagnostics += chunk.toString();
  });
  const exited = once(child, "close");
  child.stdout.on("data", (chunk: Buffer) => {
    if (output === "") setTimeout(() => child.kill("SIGKILL"), Math.random() * 120);
    output += chunk.toString();
  });
  const [, signal] = await exited;
  expect(signal, diagnostics).toBe("SIGKILL");
  const lines = output.slice(0, output.lastIndexOf("\n") + 1).split("\n");
  return lines.filter(Boolean).map((line) => {
    const [sequence, run = ""] = line.split(" ");
    return [Number(sequence), run];
  });
}
