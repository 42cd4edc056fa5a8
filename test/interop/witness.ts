/**
 * Our checkpoints before a C2SP witness: it must cosign a log that grows, and refuse one that rolls back, is rewritten
 * or forks. The witness is litewitness (WRIT_LITEWITNESS names it; default: of the path), with a key in an ssh-agent.
 */
import { spawn, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { runtime } from "#runtime";
import { createOutgoing } from "../../src/broker/index.ts";
import { sha256Hex } from "../../src/core/digest.ts";
import { encodeBase64 } from "../../src/core/manifest/index.ts";
import {
  type Bytes,
  cosignedAt,
  ed25519Key,
  isSignedBy,
  leafHash,
  noteKey,
  noteKeyDigest,
  parseNote,
  parseWitnessKey,
  proveConsistency,
  TreeEdge,
  type WitnessKey,
} from "../../src/core/merkle/index.ts";
import { Checkpoints } from "../../src/evidence/checkpoints.ts";
import { createEvidence } from "../../src/evidence/index.ts";
import { Witnessing } from "../../src/evidence/witnesses.ts";
import { openNoteSigner, openSigner, verifySignature } from "../../src/identity/index.ts";
import type { NoteSigner } from "../../src/ports/index.ts";
import { openStore } from "../../src/stores/index.ts";
import { predicateOf } from "../core/manifest/fixtures.ts";
import { knownOf } from "../evidence/support.ts";
import { newestSpki } from "../support/signing.ts";

const ORIGIN = "log.example";
const ADDRESS = "127.0.0.1:17380";

/** @returns what the witness got wrong, or why it was not asked */
export async function examineWitness(folder: string): Promise<readonly string[] | string> {
  const command = process.env["WRIT_LITEWITNESS"] ?? "litewitness";
  const tools = [command, "ssh-agent", "ssh-add", "ssh-keygen"];
  const missing = tools.find((tool) => spawnSync(tool, ["--help"]).error !== undefined);
  if (missing !== undefined) return `${missing} is not installed`;

  const signer = await openNoteSigner({
    files: runtime.files,
    clock: runtime.clock,
    signing: runtime.signing,
    path: join(folder, "witnessed.pem"),
    origin: ORIGIN,
  });
  const [key, socket, db] = ["witness", "agent.sock", "witness.db"].map((name) => join(folder, name));
  if (key === undefined || socket === undefined || db === undefined) throw new TypeError("three names");
  spawnSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", key]);
  const agent = spawn("ssh-agent", ["-D", "-a", socket], { stdio: "ignore" });
  await pause(500);
  spawnSync("ssh-add", ["-q", key], { env: { SSH_AUTH_SOCK: socket, PATH: process.env["PATH"] ?? "" } });
  const fingerprint =
    /SHA256:\S+/.exec(spawnSync("ssh-keygen", ["-lf", key], { encoding: "utf8" }).stdout)?.[0] ?? "";
  const options = [
    "-db",
    db,
    "-key",
    fingerprint,
    "-name",
    "witness.example",
    "-listen",
    ADDRESS,
    "-ssh-agent",
    socket,
  ];
  let diagnostics = "";
  const witness = spawn(command, options, { stdio: ["ignore", "ignore", "pipe"] });
  witness.stderr.on("data", (chunk: Buffer) => {
    diagnostics += chunk.toString();
  });
  try {
    await pause(1500);
    const spki = await newestSpki(signer);
    introduce(db, spki);
    const faults = await ask(signer, spki, parseWitnessKey(witnessKeyOf(`${key}.pub`)));
    return [...faults, ...(await askWithOurClient(folder, signer, witnessKeyOf(`${key}.pub`)))];
  } catch (cause) {
    throw new Error(`Cannot ask ${command}: ${diagnostics.slice(-1000)}`, { cause });
  } finally {
    witness.kill();
    agent.kill();
  }
}

/** Tells the witness of our log, as its own `witnessctl add-log` and `add-key` do. */
function introduce(db: string, spki: Bytes): void {
  const key = ed25519Key(spki) ?? new Uint8Array();
  const id = Buffer.from(noteKeyDigest(ORIGIN, spki).slice(0, 4)).toString("hex");
  const verifierKey = `${ORIGIN}+${id}+${encodeBase64(Uint8Array.from([1, ...key]))}`;
  const database = runtime.openSqlite(db);
  const root = encodeBase64(new TreeEdge(0).root());
  database.prepare("INSERT INTO log (origin, tree_size, tree_hash) VALUES (?, 0, ?)").run([ORIGIN, root]);
  database.prepare("INSERT INTO key (origin, key) VALUES (?, ?)").run([ORIGIN, verifierKey]);
  database.close();
}

/** One tree, honest or not. */
class Tree {
  readonly #edge = new TreeEdge(0);

  constructor(entries: readonly string[]) {
    for (const entry of entries) this.#edge.append(leafHash(new TextEncoder().encode(entry)));
  }

  get head(): { readonly size: number; readonly root: Bytes } {
    return { size: this.#edge.size, root: this.#edge.root() };
  }

  /** Fewer than 256 entries, so all nodes are in the open tile. */
  proofFrom(size: number): readonly Bytes[] {
    if (size === 0 || size > this.#edge.size) return [];
    const node = (level: number, index: number) => this.#edge.tile(0)?.node(level, index) ?? new Uint8Array();
    return proveConsistency(size, this.#edge.size, node);
  }
}

async function ask(
  signer: NoteSigner,
  spki: Bytes,
  witness: WitnessKey | undefined,
): Promise<readonly string[]> {
  const entries = (size: number, changed = -1) =>
    Array.from({ length: size }, (_, n) => (n === changed ? "changed" : `entry ${n}`));
  const steps: readonly (readonly [name: string, from: number, tree: Tree, status: number])[] = [
    ["the first checkpoint", 0, new Tree(entries(3)), 200],
    ["a log that grew", 3, new Tree(entries(7)), 200],
    ["the same checkpoint again", 7, new Tree(entries(7)), 200],
    ["a log that rolled back", 3, new Tree(entries(5)), 409],
    ["a log that was rewritten", 7, new Tree(entries(9, 2)), 422],
    ["a fork of the same size", 7, new Tree(entries(7, 6)), 409],
    ["a log that grew after all that", 7, new Tree(entries(200)), 200],
  ];
  const faults: string[] = [];
  for (const [name, from, tree, status] of steps) {
    const { note } = await new Checkpoints(signer).of(tree.head);
    const proof = tree.proofFrom(from).map((hash) => `${encodeBase64(hash)}\n`);
    const body = `old ${from}\n${proof.join("")}\n${note}`;
    const response = await fetch(`http://${ADDRESS}/add-checkpoint`, { method: "POST", body });
    const text = await response.text();
    // A witness may say "conflict" or "unprocessable" of a fork: what counts is that it does not cosign.
    const right =
      status === 200 ? response.status === 200 : response.status === 409 || response.status === 422;
    if (!right) faults.push(`${name}: status ${response.status}, want ${status}: ${text.trim()}`);
    if (response.status === 200) {
      const cosigned = parseNote(`${note}${text}`);
      const ours = cosigned && (await isSignedBy(cosigned, noteKey(ORIGIN, spki), verifySignature));
      if (ours !== true) faults.push(`${name}: the cosigned note is not one`);
      const atS = cosigned && witness && (await cosignedAt(cosigned, witness, verifySignature));
      if (atS === undefined) faults.push(`${name}: no cosignature of the witness's key`);
    }
  }
  runtime.print(`litewitness: ${steps.length} checkpoints; ${faults.length} wrong answers`);
  return faults;
}

/** The key as `name+hash+base64`, from what ssh-keygen wrote: its last 32 bytes are the key. */
function witnessKeyOf(file: string): string {
  const blob = Buffer.from(readFileSync(file, "utf8").split(" ")[1] ?? "", "base64");
  const typed = Uint8Array.from([4, ...blob.subarray(-32)]);
  const named = Uint8Array.from([...new TextEncoder().encode("witness.example\n"), ...typed]);
  return `witness.example+${sha256Hex(named).slice(0, 8)}+${encodeBase64(typed)}`;
}

/** The gateway's own client: a log that begins where the witness knows another must not be cosigned; that is a fork. */
async function askWithOurClient(
  folder: string,
  signer: NoteSigner,
  text: string,
): Promise<readonly string[]> {
  const key = parseWitnessKey(text);
  if (key === undefined) return [`no key of a witness: ${text}`];
  const store = await openStore(runtime.openSqlite(join(folder, "witnessed.sqlite")));
  const { clock, resolver } = runtime;
  const manifests = await openSigner({
    files: runtime.files,
    clock,
    signing: runtime.signing,
    path: join(folder, "witnessed-m.pem"),
  });
  const witnessing = new Witnessing({
    witnesses: [{ key, url: `http://${ADDRESS}/`, allowAddresses: ["127.0.0.1/32"] }],
    ...{ quorum: 1, onUnmet: "refuse", maxAgeMs: 1000, kept: undefined, store, clock },
    checkpoints: new Checkpoints(signer),
    outgoing: createOutgoing({ clock, resolver }),
    verify: verifySignature,
    keep: async () => undefined,
  });
  const evidence = createEvidence({ store, signer: manifests, noteSigner: signer, clock });
  for (let n = 0; n < 201; n++) {
    const predicate = predicateOf({ run: `run_${String(n).padStart(26, "0")}` });
    await evidence.admit(knownOf(predicate));
    await evidence.seal(predicate, []);
  }
  await witnessing.ask();
  const faults: string[] = [];
  // It cosigned another history of this log up to 200 entries: ours is none that it can have seen grow.
  if (witnessing.note !== undefined) faults.push("our client has a cosignature of a forked log");
  if (!/answered (409|422)/.test(String(witnessing.lastError)))
    faults.push(`our client was told ${String(witnessing.lastError)}`);
  await store.close();
  runtime.print(`litewitness, by our client: ${faults.length} wrong answers`);
  return faults;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
