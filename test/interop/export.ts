/**
 * An exported log on a plain web server before another project's client (torchwood's, in Go): whole it must be
 * authenticated entry by entry, and whatever is changed in it must be refused.
 */

import { spawn, spawnSync } from "node:child_process";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { runtime } from "#runtime";
import { exportLog } from "../../src/cli/evidence/log-files.ts";
import { encodeBase64 } from "../../src/core/manifest/index.ts";
import { ed25519Key, noteKeyDigest } from "../../src/core/merkle/index.ts";
import { createEvidence } from "../../src/evidence/index.ts";
import { openLog } from "../../src/local.ts";
import { openStore } from "../../src/stores/index.ts";
import { openSigners } from "../../src/wiring/index.ts";
import { predicateOf } from "../core/manifest/fixtures.ts";
import { knownOf } from "../evidence/support.ts";
import { newestSpki } from "../support/signing.ts";

const ORIGIN = "log.example";
const CLIENT = fileURLToPath(new URL("tlog-client", import.meta.url));
/** More than a tile, so that there are full and partial ones. */
const RUNS = 300;

/** @returns what the client got wrong, or why it was not asked */
export async function examineExport(folder: string): Promise<readonly string[] | string> {
  if (spawnSync("go", ["version"]).status !== 0) return "tlog-client: go is not installed";
  const program = join(folder, "tlog-client");
  const built = spawnSync("go", ["build", "-o", program, "."], { cwd: CLIENT, encoding: "utf8" });
  if (built.status !== 0)
    return `tlog-client: it could not be built: ${built.stderr.trim().split("\n").at(-1)}`;

  const exported = join(folder, "exported");
  const key = await makeLog(join(folder, "logged"), exported);
  const server = await runtime.serve(
    async ({ url }) => {
      const bytes = await readFile(join(exported, new URL(url).pathname)).catch(() => undefined);
      return bytes === undefined ? new Response("", { status: 404 }) : new Response(new Uint8Array(bytes));
    },
    { hostname: "127.0.0.1", port: 0 },
  );
  // Not `spawnSync`: the server is in this process.
  const ask = (verifier: string) =>
    new Promise<{ readonly code: number | null; readonly said: string }>((resolve) => {
      const client = spawn(program, [`http://127.0.0.1:${server.port}/`, verifier]);
      let said = "";
      client.stdout.on("data", (chunk) => {
        said += chunk;
      });
      client.once("close", (code) => resolve({ code, said: said.trim() }));
    });
  try {
    const faults: string[] = [];
    const whole = await ask(key);
    if (whole.said !== `authenticated ${RUNS} entries`) faults.push(`tlog-client: ${whole.said}`);
    let refused = 0;
    const refuse = async (name: string, verifier = key) => {
      const { code, said } = await ask(verifier);
      if (code === 1) refused++;
      else faults.push(`tlog-client accepted ${name}: ${said}`);
    };
    for (const name of ["checkpoint", "tile/entries/000", "tile/entries/001.p/44", "tile/0/001.p/44"]) {
      const path = join(exported, name);
      const bytes = await readFile(path);
      await writeFile(
        path,
        bytes.map((byte, at) => (at === bytes.length - 20 ? byte ^ 1 : byte)),
      );
      await refuse(`a changed ${name}`);
      await rm(path);
      await refuse(`no ${name}`);
      await writeFile(path, bytes);
    }
    const other = await makeLog(join(folder, "other-logged"), join(folder, "other-exported"));
    await refuse("another log's key", other);
    runtime.print(
      `tlog-client: ${RUNS} entries over HTTP, ${refused} damaged logs refused; ${faults.length} wrong answers`,
    );
    return faults;
  } finally {
    await server.close();
  }
}

/** Makes a log and exports it. @returns its key as `name+hash+base64` */
async function makeLog(dataFolder: string, exported: string): Promise<string> {
  const { clock, files } = runtime;
  await files.write(`${dataFolder}/README`, "");
  const keysFolder = `${dataFolder}/keys`;
  const { signer, noteSigner } = await openSigners(runtime, {
    keysFolder,
    origin: ORIGIN,
    address: undefined,
  });
  const store = await openStore(runtime.openSqlite(`${dataFolder}/writ.sqlite`));
  const evidence = createEvidence({ store, signer, noteSigner, clock });
  await Promise.all(
    Array.from({ length: RUNS }, async (_, n) => {
      const predicate = predicateOf({ run: `run_${String(n).padStart(26, "0")}` });
      await evidence.admit(knownOf(predicate));
      await evidence.seal(predicate, []);
    }),
  );
  await store.close();
  const log = await openLog(runtime, { dataFolder }, ORIGIN);
  await exportLog(log, files, exported, { progress: () => undefined });
  await log.close();
  const spki = await newestSpki(noteSigner);
  const hash = Buffer.from(noteKeyDigest(ORIGIN, spki).slice(0, 4)).toString("hex");
  return `${ORIGIN}+${hash}+${encodeBase64(Uint8Array.from([1, ...(ed25519Key(spki) ?? [])]))}`;
}
