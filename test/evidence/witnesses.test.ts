/** Witnesses over real HTTP: cosigned checkpoints are served, missing ones mean what the operator said, and it heals. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { runtime } from "#runtime";
import { createOutgoing } from "../../src/broker/index.ts";
import { sha256Bytes } from "../../src/core/digest.ts";
import { encodeBase64, parseWitnessFile } from "../../src/core/manifest/index.ts";
import {
  type Bytes,
  cosignedAt,
  openCheckpoint,
  parseCheckpoint,
  parseNote,
  parseWitnessKey,
  verifyConsistency,
} from "../../src/core/merkle/index.ts";
import { createEvidence, type Evidence, type WitnessPolicy } from "../../src/evidence/index.ts";
import { verifySignature } from "../../src/identity/index.ts";
import type { HttpServer } from "../../src/ports/index.ts";
import { noFaults } from "../support/sqlite.ts";
import { completed, knownOf, type TestGateway, TRUST, testStorage } from "./support.ts";

/** A witness as C2SP tlog-witness says one is, of one log. */
async function startWitness(name: string) {
  const pair = (await crypto.subtle.generateKey("Ed25519", true, ["sign", "verify"])) as CryptoKeyPair;
  const raw = new Uint8Array(await crypto.subtle.exportKey("raw", pair.publicKey));
  const typed = Uint8Array.from([4, ...raw]);
  const id = sha256Bytes(Uint8Array.from([...new TextEncoder().encode(`${name}\n`), ...typed])).slice(0, 4);
  const state = {
    size: 0n,
    root: new Uint8Array() as Bytes,
    asked: 0,
    answers: "right" as "right" | "no" | "wrong",
  };
  async function answer(request: Request): Promise<Response> {
    state.asked++;
    const body = await request.text();
    if (state.answers === "no") return new Response("not today", { status: 500 });
    const [head = "", ...rest] = body.split("\n\n");
    const note = rest.join("\n\n");
    const [old = "", ...proof] = head.split("\n");
    const opened = await openCheckpoint(note, TRUST.logs, verifySignature);
    if (opened === undefined) return new Response("unknown log", { status: 404 });
    const { size, root } = opened.checkpoint;
    if (old !== `old ${state.size}`) return new Response(`${state.size}\n`, { status: 409 });
    const path = proof.map((hash) => Uint8Array.from(Buffer.from(hash, "base64")));
    const claim = { oldSize: state.size, oldRoot: state.root, size, root, path };
    if (state.size > 0n && !verifyConsistency(claim)) return new Response("", { status: 422 });
    [state.size, state.root] = [size, root];
    const time = 1_700_000_000n;
    const text = parseNote(note)?.text ?? "";
    const signed = new TextEncoder().encode(`cosignature/v1\ntime ${time}\n${text}`);
    const signature = new Uint8Array(await crypto.subtle.sign("Ed25519", pair.privateKey, signed));
    if (state.answers === "wrong") signature[3] = (signature[3] ?? 0) ^ 1;
    const stamp = new Uint8Array(8);
    new DataView(stamp.buffer).setBigUint64(0, time);
    return new Response(`\u2014 ${name} ${encodeBase64(Uint8Array.from([...id, ...stamp, ...signature]))}\n`);
  }
  const server = await runtime.serve(answer, { hostname: "127.0.0.1", port: 0 });
  const hex = Buffer.from(id).toString("hex");
  return {
    name,
    state,
    server,
    key: `${name}+${hex}+${encodeBase64(typed)}`,
    url: `http://127.0.0.1:${server.port}`,
  };
}

type TestWitness = Awaited<ReturnType<typeof startWitness>>;

let storage: Awaited<ReturnType<typeof testStorage>>;
let gateway: TestGateway;
let witnesses: TestWitness[];
let kept: string | undefined;
const servers: HttpServer[] = [];

beforeEach(async () => {
  storage = await testStorage();
  gateway = await storage.start(noFaults());
  witnesses = [
    await startWitness("one.example"),
    await startWitness("two.example"),
    await startWitness("three.example"),
  ];
  servers.push(...witnesses.map(({ server }) => server));
  kept = undefined;
});
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
  await gateway.store.close();
  await storage.remove();
});

function witnessed(policy: Partial<Omit<WitnessPolicy, "witnesses">> = {}): Evidence {
  return createEvidence({
    ...gateway,
    witnesses: {
      quorum: 2,
      onUnmet: "refuse",
      maxAgeMs: 60_000,
      ...policy,
      witnesses: witnesses.map(({ key, url }) => ({
        key: parseWitnessKey(key) ?? expect.fail(`no key: ${key}`),
        url: `${url}/`,
        allowAddresses: ["127.0.0.1/32"],
      })),
      outgoing: createOutgoing(runtime),
      verify: verifySignature,
      keep: async (note) => {
        kept = note;
      },
      kept,
    },
  });
}

let runs = 0;
async function seal(evidence: Evidence): Promise<void> {
  const predicate = completed(runs++);
  await evidence.admit(knownOf(predicate));
  await evidence.seal(predicate, []);
}

/** Asks once, and waits until that round is over. */
async function ask(evidence: Evidence): Promise<void> {
  const before = gateway.clock.waiting.length;
  const stop = evidence.watchWitnesses(1_000);
  await expect.poll(() => gateway.clock.waiting.length, { timeout: 10_000 }).toBeGreaterThan(before);
  stop();
}

async function cosigners(note: string): Promise<readonly string[]> {
  const parsed = parseNote(note) ?? expect.fail("no note");
  const names: string[] = [];
  for (const { name, key } of witnesses) {
    const read = parseWitnessKey(key) ?? expect.fail("no key");
    if ((await cosignedAt(parsed, read, verifySignature)) !== undefined) names.push(name);
  }
  return names;
}

describe("witnesses", () => {
  it("cosign what grew, and the checkpoint that is served carries them", async () => {
    const evidence = witnessed();
    for (let round = 0; round < 4; round++) {
      for (let n = 0; n <= round * 3; n++) await seal(evidence);
      await ask(evidence);
      const note = await evidence.checkpoint();
      expect(await cosigners(note)).toHaveLength(3);
      const { size } = parseCheckpoint(parseNote(note)?.text ?? "") ?? expect.fail("no checkpoint");
      expect(size).toBe(BigInt((await gateway.store.logHead()).size));
      expect(await openCheckpoint(note, TRUST.logs, verifySignature)).toBeDefined();
      expect(kept).toBe(note);
    }
    expect(evidence.witnessed()).toBe(true);
  });

  it("are enough when some are away or wrong; those are in no checkpoint", async () => {
    const evidence = witnessed();
    await seal(evidence);
    if (witnesses[1]) witnesses[1].state.answers = "wrong";
    await ask(evidence);
    expect(await cosigners(await evidence.checkpoint())).toEqual(["one.example", "three.example"]);
  });

  it("that are too few: no new run begins once it has lasted, and runs begin again by themselves", async () => {
    const evidence = witnessed();
    await seal(evidence);
    for (const { state } of witnesses.slice(1)) state.answers = "no";
    await ask(evidence);
    expect(await cosigners(await evidence.checkpoint())).toEqual([]);
    await seal(evidence);
    gateway.clock.now += 61_000;
    expect(evidence.witnessed()).toBe(false);
    const refused = evidence.admit(knownOf(completed(999)));
    await expect(refused).rejects.toMatchObject({ code: "evidence-unavailable" });
    for (const { state } of witnesses) state.answers = "right";
    await ask(evidence);
    expect(evidence.witnessed()).toBe(true);
    await seal(evidence);
  });

  it("that are too few, and only reported: runs go on, readiness says so, the checkpoint is the newest", async () => {
    const evidence = witnessed({ onUnmet: "report" });
    for (const { state } of witnesses) state.answers = "no";
    await seal(evidence);
    await ask(evidence);
    gateway.clock.now += 61_000;
    expect(evidence.witnessed()).toBe(false);
    await seal(evidence);
    const note = await evidence.checkpoint();
    expect(parseCheckpoint(parseNote(note)?.text ?? "")?.size).toBe(2n);
  });

  it("are asked from where they are after a restart, and nothing that did not grow is sent again", async () => {
    const first = witnessed();
    for (let n = 0; n < 5; n++) await seal(first);
    await ask(first);
    const second = witnessed();
    expect(await second.checkpoint()).toBe(kept);
    const asked = witnesses[0]?.state.asked;
    await ask(second);
    expect(witnesses[0]?.state.asked).toBe(asked);
    await seal(second);
    await ask(second);
    expect(await cosigners(await second.checkpoint())).toHaveLength(3);
  });
});

describe("parseWitnessFile()", () => {
  const file = (changes: object) =>
    parseWitnessFile(
      new TextEncoder().encode(
        JSON.stringify({
          quorum: 1,
          on_unmet: "refuse",
          max_age_seconds: 60,
          witnesses: witnesses.map(({ key, url }) => ({ key, url })),
          ...changes,
        }),
      ),
    );

  it("takes what is whole", () => {
    expect(file({})).toMatchObject({ ok: true, file: { quorum: 1, maxAgeMs: 60_000 } });
  });

  it("refuses what could be understood in two ways", () => {
    const [one] = witnesses;
    const key = one?.key ?? "";
    const hostile: readonly object[] = [
      { quorum: 4 },
      { quorum: 0 },
      { on_unmet: "ignore" },
      { max_age_seconds: 0 },
      { witnesses: [] },
      { more: 1 },
      {
        witnesses: [
          { key, url: one?.url },
          { key, url: "https://other.example/" },
        ],
      },
      { witnesses: [{ key: key.replace("one", "two"), url: one?.url }] },
      { witnesses: [{ key: key.replace(/\+B/, "+A"), url: one?.url }] },
      { witnesses: [{ key, url: "ftp://one.example" }] },
      { witnesses: [{ key, url: "https://user@one.example" }] },
    ];
    for (const changes of hostile)
      expect(file(changes), JSON.stringify(changes)).toMatchObject({ ok: false });
  });
});
