/**
 * A gateway whose keys are in another process: it signs, it fails closed while that process is away, it goes on by
 * itself when it is back, and its memory never holds a key.
 */
import { closeSync, existsSync, openSync, readFileSync, readSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { cli } from "../cli/support.ts";
import { firstLine, invokeTool, kill, Processes } from "../support/gateway-process.ts";

const processes = new Processes();
afterAll(() => processes.end());

/** Private scalars of the keys in a folder, as a process may hold them: big-endian, and in OpenSSL's limbs. */
async function secretsOf(folder: string): Promise<readonly Buffer[]> {
  const pem = await readFile(join(folder, "manifest.pem"), "utf8");
  const der = Buffer.from(pem.replace(/-----[^\n]+-----|\n/g, ""), "base64");
  const key = await crypto.subtle.importKey("pkcs8", der, { name: "ECDSA", namedCurve: "P-256" }, true, [
    "sign",
  ]);
  const { d = "" } = await crypto.subtle.exportKey("jwk", key);
  const scalar = Buffer.from(d, "base64url");
  return [scalar, Buffer.from(scalar).reverse()];
}

/** Whether any readable memory of a process holds any of the needles. */
function memoryHolds(pid: number, needles: readonly Buffer[]): boolean {
  const memory = openSync(`/proc/${pid}/mem`, "r");
  try {
    for (const line of readFileSync(`/proc/${pid}/maps`, "utf8").split("\n")) {
      const [, from = "", to = "", rights = "", path = ""] =
        /^(\w+)-(\w+) (\S+) \S+ \S+ \S+ *(.*)$/.exec(line) ?? [];
      // Only what was written: a private key is in no file that is mapped.
      if (!rights.startsWith("rw") || path === "[vvar]") continue;
      const [start, end] = [Number.parseInt(from, 16), Number.parseInt(to, 16)];
      for (let at = start; at < end; at += CHUNK - 64) {
        const chunk = Buffer.alloc(Math.min(CHUNK, end - at));
        let length = 0;
        try {
          length = readSync(memory, chunk, 0, chunk.length, at);
        } catch {
          // Reserved, and never touched.
          break;
        }
        if (needles.some((needle) => chunk.subarray(0, length).includes(needle))) return true;
      }
    }
    return false;
  } finally {
    closeSync(memory);
  }
}
const CHUNK = 16 * 1024 * 1024;

describe("a gateway with its keys in another process", () => {
  it("signs without ever holding a key, stops without the signer, and goes on by itself", async () => {
    const [keys, data, place] = [
      await processes.folder(),
      await processes.folder(),
      await processes.folder(),
    ];
    const socket = join(place, "signer.sock");
    const serveSigner = async () => {
      const child = processes.spawn(["signer", "serve", "--keys", keys, "--socket", socket]);
      expect(await firstLine(child)).toContain(`unix:${socket}`);
      return child;
    };
    const signer = await serveSigner();
    const gateway = await processes.start(data, ["--signer", `unix:${socket}`]);
    const call = () => invokeTool(gateway, gateway.key, "hash/fnv1a64", { data: "" }, "support-chat");

    const answer = await call();
    expect(answer.status).toBe(200);
    // Verified with what the signing process published, by a third process.
    const file = join(place, "answer.json");
    const { writeFile } = await import("node:fs/promises");
    await writeFile(file, answer.text);
    const trust = ["--trust", join(keys, "jwks.json"), join(keys, "trusted_root.json")];
    expect((await cli(["verify", file, ...trust])).code).toBe(0);

    expect((await readdir(join(data, "keys"))).filter((name) => name.endsWith(".pem"))).toEqual([]);
    if (existsSync("/proc/self/maps")) {
      const needles = await secretsOf(keys);
      // The same search finds the key where it is, so that finding nothing means something.
      expect(memoryHolds(signer.pid ?? 0, needles)).toBe(true);
      expect(memoryHolds(gateway.child.pid ?? 0, needles)).toBe(false);
    }

    await kill(signer);
    const refused = await call();
    expect([refused.status, refused.json.type]).toEqual([
      503,
      expect.stringMatching(/evidence-unavailable$/),
    ]);
    expect(refused.text).not.toContain("output");
    const readiness = async () => (await fetch(`${gateway.url}/readyz`)).status;
    await expect.poll(readiness, { interval: 500 }).toBe(503);

    await serveSigner();
    const again = await call();
    expect(again.status).toBe(200);
    await expect.poll(readiness, { interval: 500 }).toBe(200);
  });

  it("does not start without the signer, and says what is missing", async () => {
    const data = await processes.folder();
    const started = processes.start(data, ["--signer", `unix:${data}/nobody.sock`]);
    await expect(started).rejects.toThrow(/Cannot reach the signer at ".*nobody\.sock"/);
  });
});
