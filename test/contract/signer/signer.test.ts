/** The Signer and NoteSigner ports: one suite, for keys in files and for keys in another process. */

import { stat } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { runtime } from "#runtime";
import { PAYLOAD_TYPE, pae } from "../../../src/core/manifest/index.ts";
import { formatCheckpoint } from "../../../src/core/merkle/index.ts";
import { verifySignature } from "../../../src/identity/index.ts";
import type { Runtime } from "../../../src/ports/index.ts";
import { openSignerService, openSigners, rotateKeys, type Signers } from "../../../src/wiring/index.ts";
import { type TestClock, testClock } from "../../evidence/support.ts";
import { temporaryFolder } from "../../support/sqlite.ts";

const ORIGIN = "log.example";
const HOUR = 3_600_000;
const STATEMENT = pae(PAYLOAD_TYPE, new TextEncoder().encode("{}"));
const checkpointOf = (size: bigint, root = new Uint8Array(32), origin = ORIGIN) =>
  new TextEncoder().encode(formatCheckpoint({ origin, size, root }));

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let clock: TestClock;
let world: Runtime;
let log: object[];
let closers: (() => Promise<void>)[];

beforeEach(async () => {
  folder = await temporaryFolder();
  clock = testClock();
  world = { ...runtime, clock };
  log = [];
  closers = [];
});
afterEach(async () => {
  for (const close of closers) await close();
  await folder.remove();
});

const keysFolder = () => join(folder.path, "keys");
const socketPath = () => join(folder.path, "s", "signer.sock");
const rotate = (overlapMs: number) =>
  rotateKeys(world, {
    keysFolder: keysFolder(),
    origin: ORIGIN,
    kinds: ["manifest", "checkpoint"],
    overlapMs,
  });

async function serve(): Promise<() => Promise<void>> {
  const options = { keysFolder: keysFolder(), origin: ORIGIN, socketPath: socketPath() };
  const service = await openSignerService(world, options, (line) => void log.push(line));
  closers.push(() => service.close());
  return () => service.close();
}

const IMPLEMENTATIONS: readonly { readonly name: string; readonly open: () => Promise<Signers> }[] = [
  {
    name: "files",
    open: () => openSigners(world, { keysFolder: keysFolder(), origin: ORIGIN, address: undefined }),
  },
  {
    name: "a process behind a socket",
    async open() {
      await serve();
      const address = `unix:${socketPath()}`;
      return openSigners(world, { keysFolder: "/nowhere", origin: ORIGIN, address });
    },
  },
];

for (const { name, open } of IMPLEMENTATIONS) {
  describe(`signers over ${name}`, () => {
    it("sign with the key that they publish, statements and checkpoints", async () => {
      const { signer, noteSigner } = await open();
      expect(noteSigner.origin).toBe(ORIGIN);
      for (const [by, bytes] of [
        [signer, STATEMENT],
        [noteSigner, checkpointOf(1n)],
      ] as const) {
        const { signature, key } = await by.sign(bytes);
        expect(await by.keys()).toEqual([key]);
        expect(key.validFromMs).toBe(0);
        expect(await verifySignature(key.spki, signature, bytes)).toBe(true);
        expect(await verifySignature(key.spki, signature, Uint8Array.from([...bytes, 0]))).toBe(false);
      }
    });

    it("sign many at once, each its own bytes", async () => {
      const { signer } = await open();
      const messages = Array.from({ length: 50 }, (_, n) =>
        pae(PAYLOAD_TYPE, new TextEncoder().encode(String(n).padStart(n * 40))),
      );
      const signed = await Promise.all(messages.map((message) => signer.sign(message)));
      for (const [n, { signature, key }] of signed.entries()) {
        expect(await verifySignature(key.spki, signature, messages[n] ?? new Uint8Array())).toBe(true);
      }
    });

    it("sign the same checkpoint alike", async () => {
      const { noteSigner } = await open();
      const [a, b] = [await noteSigner.sign(checkpointOf(7n)), await noteSigner.sign(checkpointOf(7n))];
      expect(a).toEqual(b);
    });

    it("follow a rotation while they run: published at once, signing after half of the overlap", async () => {
      const { signer, noteSigner } = await open();
      const first = (await signer.sign(STATEMENT)).key;
      const firstNote = (await noteSigner.sign(checkpointOf(1n))).key;
      const atMs = clock.now;
      await rotate(HOUR);
      // Until the ring is read again they may not have seen it; then they must have.
      clock.now += 6_000;
      const [newest, oldest, ...more] = await signer.keys();
      expect(more).toEqual([]);
      expect(newest).toMatchObject({ validFromMs: atMs });
      expect(newest?.validUntilMs).toBeUndefined();
      expect(oldest).toEqual({ ...first, validUntilMs: atMs + HOUR });
      expect((await signer.sign(STATEMENT)).key.keyId).toBe(first.keyId);

      clock.now = atMs + HOUR / 2;
      const second = await signer.sign(STATEMENT);
      expect(second.key).toEqual(newest);
      expect(await verifySignature(second.key.spki, second.signature, STATEMENT)).toBe(true);
      // The log proves its oldest entries under its newest key, so that key is believed since ever.
      const note = await noteSigner.sign(checkpointOf(1n));
      expect(note.key.keyId).not.toBe(firstNote.keyId);
      expect(note.key.validFromMs).toBe(0);
      expect(await noteSigner.keys()).toContainEqual({ ...firstNote, validUntilMs: atMs + HOUR });
    });

    it("follow a rotation without overlap at once: the old key signs nothing any more", async () => {
      const { signer } = await open();
      const first = (await signer.sign(STATEMENT)).key;
      await rotate(0);
      clock.now += 6_000;
      const { key } = await signer.sign(STATEMENT);
      expect(key.keyId).not.toBe(first.keyId);
      expect((await signer.keys()).map(({ keyId }) => keyId)).toEqual([key.keyId, first.keyId]);
      // Its private half is gone; what it signed verifies for ever.
      expect((await runtime.files.list(keysFolder())).map(({ name: file }) => file)).not.toContain(
        "manifest.pem",
      );
    });

    it("sign nothing when no key is valid, and again when one is", async () => {
      const { signer } = await open();
      await rotate(0);
      clock.now += 6_000;
      await signer.sign(STATEMENT);
      // The wall clock jumps back to where the new key does not sign yet and the old one is gone.
      clock.now -= HOUR;
      const sign = signer.sign(STATEMENT);
      await expect(sign).rejects.toMatchObject({ code: "evidence-unavailable" });
      clock.now += HOUR + 6_000;
      expect((await signer.sign(STATEMENT)).signature.length).toBeGreaterThan(60);
    });

    it("refuse a second rotation while one is under way, but not an urgent one", async () => {
      await open();
      await rotate(HOUR);
      await expect(rotate(HOUR)).rejects.toThrow(/under way until/);
      expect((await rotate(0)).filter(({ kind }) => kind === "manifest")).toHaveLength(3);
    });
  });
}

describe("the signing process", () => {
  const address = () => `unix:${socketPath()}`;
  const connect = () => openSigners(world, { keysFolder: "/nowhere", origin: ORIGIN, address: address() });
  const refused = expect.objectContaining({ code: "evidence-unavailable" });

  it("has a socket that only its user can use", async () => {
    await serve();
    expect((await stat(socketPath())).mode & 0o777).toBe(0o600);
  });

  it("signs nothing but statements of ours and checkpoints of its log", async () => {
    await serve();
    const { signer, noteSigner } = await connect();
    const hostile: readonly (readonly ["manifest" | "checkpoint", Uint8Array])[] = [
      ["manifest", new Uint8Array()],
      ["manifest", new TextEncoder().encode("writ signer probe")],
      ["manifest", pae("text/plain", new TextEncoder().encode("{}"))],
      ["manifest", STATEMENT.subarray(1)],
      ["manifest", checkpointOf(1n)],
      ["checkpoint", STATEMENT],
      ["checkpoint", checkpointOf(1n, new Uint8Array(32), "other.example")],
      ["checkpoint", Uint8Array.from([...checkpointOf(1n), 0x0a])],
    ];
    for (const [kind, bytes] of hostile) {
      await expect((kind === "manifest" ? signer : noteSigner).sign(bytes)).rejects.toEqual(refused);
    }
    expect(log).toHaveLength(hostile.length);
  });

  it("never signs two roots for one size, whoever asks", async () => {
    await serve();
    const { noteSigner } = await connect();
    await noteSigner.sign(checkpointOf(5n));
    const other = (await connect()).noteSigner;
    await expect(other.sign(checkpointOf(5n, new Uint8Array(32).fill(1)))).rejects.toThrow(
      /another root of 5/,
    );
    await other.sign(checkpointOf(5n));
  });

  it("takes evidence with it when it dies, and brings it back when it is back", async () => {
    const close = await serve();
    const { signer } = await connect();
    const { key } = await signer.sign(STATEMENT);
    await close();
    await expect(signer.sign(STATEMENT)).rejects.toEqual(refused);
    await expect(signer.sign(STATEMENT)).rejects.toEqual(refused);
    await serve();
    expect((await signer.sign(STATEMENT)).key).toEqual(key);
  });

  it("replaces the socket of one that was killed, and leaves that of one that lives", async () => {
    await serve();
    await expect(serve()).rejects.toThrow(/it is in use/);
    await runtime.files.write(`${socketPath()}2`, "left behind");
    const options = { keysFolder: keysFolder(), origin: ORIGIN, socketPath: `${socketPath()}2` };
    const second = await openSignerService(world, options, () => undefined);
    await second.close();
  });

  const NONSENSE = [
    "\n",
    "{}\n",
    '{"id":0,"ask":"root","kind":"manifest"}\n',
    `${"x".repeat(5000)}\n`,
    "\u0000\n",
  ];
  it("hangs up on whoever does not speak its language", async () => {
    await serve();
    for (const text of NONSENSE) {
      const socket = await runtime.sockets.connect(socketPath());
      await socket.write(new TextEncoder().encode(text));
      for await (const _ of socket.input) expect.unreachable("it answered");
    }
    await (await connect()).signer.sign(STATEMENT);
  });

  it("is not believed when it answers nonsense, another key's signature, or nothing", async () => {
    const answers: readonly ((request: { id: number; ask: string }) => object | string)[] = [
      () => "hello\n",
      ({ id }) => ({ id, signature: "AAAA", key: { keyId: "k", spki: "AAAA", validFromMs: 0 } }),
      ({ id }) => ({ id: id + 1, refused: "no" }),
      ({ id }) => ({ id, keys: [] }),
      ({ id }) => ({ id, refused: "not today" }),
    ];
    for (const answer of answers) {
      const path = `${socketPath()}-${answers.indexOf(answer)}`;
      const server = await runtime.sockets.listen(path, async (socket) => {
        for await (const chunk of socket.input) {
          for (const line of new TextDecoder().decode(chunk).trim().split("\n")) {
            const reply = answer(JSON.parse(line));
            const text = typeof reply === "string" ? reply : `${JSON.stringify(reply)}\n`;
            await socket.write(new TextEncoder().encode(text));
          }
        }
      });
      const opened = openSigners(world, { keysFolder: "", origin: ORIGIN, address: `unix:${path}` });
      // Nobody waits for ever: the time limit is the test clock's, and goes off when it is told to.
      const tick = setInterval(() => {
        for (const { action } of clock.waiting) action();
      }, 50);
      await expect(opened).rejects.toEqual(refused);
      clearInterval(tick);
      await server.close();
    }
  });
});
