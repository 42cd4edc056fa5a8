/** Witnesses over real HTTP: cosigned checkpoints are served, missing ones mean what the operator said, and it heals. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { runtime } from "#runtime";
import { createOutgoing } from "../../src/broker/index.ts";
import { parseWitnessDemand, parseWitnessFile, verifyBundle } from "../../src/core/manifest/index.ts";
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
import { findManifest } from "../../src/gateway/runs.ts";
import { verifySignature } from "../../src/identity/index.ts";
import type { HttpServer } from "../../src/ports/index.ts";
import { noFaults } from "../support/sqlite.ts";
import { testWitness } from "../support/witness.ts";
import { completed, knownOf, type TestGateway, TRUST, testStorage } from "./support.ts";

/** A witness as C2SP tlog-witness says one is, of one log. */
async function startWitness(name: string) {
  const { key, cosign } = await testWitness(name);
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
    const line = await cosign(note);
    const wrong = (letter: string) => (letter === "A" ? "B" : "A");
    return new Response(state.answers === "wrong" ? line.replace(/.(?=.{20}\n$)/, wrong) : line);
  }
  const server = await runtime.serve(answer, { hostname: "127.0.0.1", port: 0 });
  return { name, state, server, key, url: `http://127.0.0.1:${server.port}` };
}

type RunningWitness = Awaited<ReturnType<typeof startWitness>>;

let storage: Awaited<ReturnType<typeof testStorage>>;
let gateway: TestGateway;
let witnesses: RunningWitness[];
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
  await expect.poll(() => gateway.clock.waiting.length).toBeGreaterThan(before);
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

describe("manifests that witnesses stand behind", () => {
  /** What a verifier wants, from a file as simple as can be. */
  function trustOf(quorum: number, keys: readonly string[]) {
    const text = JSON.stringify({ quorum, witnesses: keys.map((key) => ({ key })) });
    const read = parseWitnessDemand(new TextEncoder().encode(text));
    return { ...TRUST, witnesses: read.ok ? read.demand : expect.fail(read.detail) };
  }
  const sealRow = async (sequence: number) => {
    const [row] = await gateway.store.listSeals(sequence, 1);
    return row?.seal ?? expect.fail("no seal");
  };
  const verify = (text: string, trust: ReturnType<typeof trustOf>) =>
    verifyBundle(new TextEncoder().encode(text), trust, verifySignature);

  it("verify by the bundle alone, at any size the log had when they cosigned", async () => {
    const evidence = witnessed();
    const keys = witnesses.map(({ key }) => key);
    for (let n = 0; n < 7; n++) await seal(evidence);
    await ask(evidence);
    for (let n = 0; n < 4; n++) await seal(evidence);
    const note = evidence.cosigned() ?? expect.fail("nobody cosigned");
    for (let sequence = 0; sequence < 7; sequence++) {
      const text = await evidence.manifest(await sealRow(sequence), note);
      const report = await verify(text, trustOf(3, keys));
      expect(report).toMatchObject({ ok: true, log: { index: BigInt(sequence) } });
      const [check] = report.checks.filter(({ check: name }) => name === "witnesses");
      expect(check?.detail).toBe("3 of 3 cosigned it: one.example, two.example, three.example; wanted 3");
      // As it was released, before anybody cosigned: nobody stands behind it.
      const released = await verify(await evidence.manifest(await sealRow(sequence)), trustOf(1, keys));
      expect(released.checks.at(-1)).toMatchObject({ check: "witnesses", ok: false });
    }
    // What came after the cosigned checkpoint is proven by its own.
    const late = await evidence.manifest(await sealRow(8), note);
    expect(late).toBe(await evidence.manifest(await sealRow(8)));
  });

  it("do not verify by fewer than were asked for, by strangers, or by a cosignature of another checkpoint", async () => {
    const evidence = witnessed();
    await seal(evidence);
    const early = await evidence.checkpoint();
    await seal(evidence);
    if (witnesses[2]) witnesses[2].state.answers = "no";
    await ask(evidence);
    const note = evidence.cosigned() ?? expect.fail("nobody cosigned");
    const bundle = JSON.parse(await evidence.manifest(await sealRow(0), note));
    const keys = witnesses.map(({ key }) => key);
    expect((await verify(JSON.stringify(bundle), trustOf(2, keys))).ok).toBe(true);
    expect((await verify(JSON.stringify(bundle), trustOf(3, keys))).checks.at(-1)?.check).toBe("witnesses");

    const stranger = await testWitness("stranger.example");
    const impostor = await testWitness("three.example");
    const [lineOfOne = ""] = note.split("\n").filter((line) => line.includes("one.example"));
    for (const lines of [
      await stranger.cosign(note),
      await impostor.cosign(note),
      `${lineOfOne}\n`,
      // Of the log as it was before.
      await (await testWitness("four.example")).cosign(early),
    ]) {
      const forged = structuredClone(bundle);
      forged.verificationMaterial.tlogEntries[0].inclusionProof.checkpoint.envelope = `${note}${lines}`;
      const report = await verify(JSON.stringify(forged), trustOf(3, keys));
      expect(report.checks.at(-1)).toMatchObject({ check: "witnesses", ok: false });
    }
  });

  it("are given to whoever asks for that, once a cosigned checkpoint covers them", async () => {
    const evidence = witnessed();
    const principal = { id: "key:1", tenant: "acme", tier: "free", scopes: ["evidence"] } as const;
    await seal(evidence);
    const { run } = await sealRow(0);
    const find = () => findManifest(gateway.store, evidence, principal, run, "cosigned");
    await expect(find()).rejects.toMatchObject({ code: "evidence-unavailable" });
    await ask(evidence);
    const trust = trustOf(
      3,
      witnesses.map(({ key }) => key),
    );
    expect((await verify(await find(), trust)).ok).toBe(true);
    // A later one waits for the next round.
    await seal(evidence);
    const later = (await sealRow(1)).run;
    const tooEarly = findManifest(gateway.store, evidence, principal, later, "cosigned");
    await expect(tooEarly).rejects.toMatchObject({ code: "evidence-unavailable" });
  });

  it("can not be asked for where no log is", async () => {
    const evidence = witnessed();
    await seal(evidence);
    const trust = { ...trustOf(1, [witnesses[0]?.key ?? ""]), logRequired: false };
    const report = await verify(await evidence.manifest(await sealRow(0)), trust);
    expect(report.checks.at(-1)).toMatchObject({ check: "witnesses", ok: false });
  });
});

describe("parseWitnessDemand()", () => {
  it("refuses what would count one witness twice, or ask for more than there are", () => {
    const read = (document: object) => parseWitnessDemand(new TextEncoder().encode(JSON.stringify(document)));
    const [one, two] = witnesses.map(({ key }) => key);
    expect(read({ quorum: 2, witnesses: [{ key: one }, { key: two }] }).ok).toBe(true);
    for (const hostile of [
      {},
      { quorum: 0, witnesses: [{ key: one }] },
      { quorum: 2, witnesses: [{ key: one }] },
      { quorum: 1, witnesses: [] },
      { quorum: 2, witnesses: [{ key: one }, { key: one }] },
      { quorum: 1, witnesses: [{ key: "one.example+00000000+AAAA" }] },
    ])
      expect(read(hostile), JSON.stringify(hostile)).toMatchObject({ ok: false });
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
