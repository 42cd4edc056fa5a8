/** What a crash leaves: kill −9 of the gateway at any moment, and of an executor in the middle of a run. */
import { type ChildProcess, spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { callGateway, PROJECT } from "../support/gateway.ts";

const ROUNDS = 4;
const isDeno = "Deno" in globalThis;

interface GatewayProcess {
  readonly child: ChildProcess;
  readonly url: string;
  readonly key: string;
}

const children: ChildProcess[] = [];
const folders: string[] = [];

afterEach(async () => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true });
});

/** `writ serve --json` as a process of the runtime that runs this test. */
async function start(dataFolder: string): Promise<GatewayProcess> {
  const main = join(PROJECT, "src", "main.ts");
  const args = ["serve", "--json", "--port", "0", "--data", dataFolder, "--log-level", "silent"];
  const child = spawn(process.execPath, isDeno ? ["run", "-A", main, ...args] : [main, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  children.push(child);
  let errors = "";
  child.stderr?.on("data", (chunk) => {
    errors += chunk;
  });
  const line = await new Promise<string>((resolve, reject) => {
    let text = "";
    child.stdout?.on("data", (chunk) => {
      text += chunk;
      const end = text.indexOf("\n");
      if (end >= 0) resolve(text.slice(0, end));
    });
    child.once("exit", (code) => reject(new Error(`The gateway ended with ${code}: ${errors}`)));
  });
  const { url, bootstrapKey } = JSON.parse(line);
  return { child, url, key: bootstrapKey ?? "" };
}

async function kill(child: ChildProcess): Promise<void> {
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGKILL");
  await ended;
}

function invoke(gateway: GatewayProcess, key: string, path: string, input: unknown, purpose: string) {
  return callGateway(gateway.url, `/v1/tools/${path}`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    body: JSON.stringify({ input, purpose }),
  });
}

async function makeFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "writ-crash-"));
  folders.push(folder);
  return folder;
}

/** Children of a process, from the system's own table. */
function childrenOf(pid: number): readonly number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => {
      try {
        const status = readFileSync(`/proc/${name}/status`, "utf8");
        return new RegExp(`^PPid:\\s+${pid}$`, "m").test(status);
      } catch {
        // It ended between the listing and the reading.
        return false;
      }
    })
    .map(Number);
}

describe("kill -9 of the gateway", () => {
  it("loses no acknowledged run, and leaves none open", async () => {
    const folder = await makeFolder();
    const acknowledged: { readonly run: string; readonly digest: string }[] = [];
    let key = "";
    for (let round = 0; round < ROUNDS; round++) {
      const gateway = await start(folder);
      key = gateway.key || key;
      const callers = Promise.allSettled(
        Array.from({ length: 8 }, async () => {
          for (;;) {
            const answer = await invoke(gateway, key, "hash/fnv1a64", { data: "" }, "support-chat");
            if (answer.status !== 200) throw new Error(answer.text);
            acknowledged.push({ run: answer.json.run, digest: answer.json.receipt.digest });
          }
        }),
      );
      // Somewhere in the middle of the load; a different moment in each round.
      await new Promise((resolve) => setTimeout(resolve, 250 + 137 * round));
      await kill(gateway.child);
      const ends = await callers;
      expect(ends.every(({ status }) => status === "rejected")).toBe(true);
    }
    expect(acknowledged.length).toBeGreaterThan(ROUNDS);

    const gateway = await start(folder);
    const authorization = { headers: { authorization: `Bearer ${key}` } };
    const sequences: number[] = [];
    const seen = new Map<string, string>();
    for (let before = ""; ; ) {
      const page = await callGateway(gateway.url, `/v1/runs?limit=100${before}`, authorization);
      for (const row of page.json.runs) {
        expect(row.outcome).not.toBe("open");
        sequences.push(row.receipt.sequence);
        seen.set(row.run, row.receipt.digest);
      }
      if (page.json.next === undefined) break;
      before = `&before=${page.json.next}`;
    }
    for (const { run, digest } of acknowledged) expect(seen.get(run)).toBe(digest);
    expect(sequences.sort((a, b) => a - b)).toEqual(sequences.map((_, index) => index));
  }, 120_000);
});

describe("kill -9 of an executor", () => {
  it("yields a sealed outcome and a gateway that goes on", async () => {
    const gateway = await start(await makeFolder());
    const { pid } = gateway.child;
    if (pid === undefined) throw new Error("The gateway has no pid");
    const invocation = invoke(gateway, gateway.key, "rogue/wait", {}, "security-drill");
    await new Promise((resolve) => setTimeout(resolve, 400));
    const executors = childrenOf(pid);
    expect(executors.length).toBeGreaterThan(0);
    for (const executor of executors) process.kill(executor, "SIGKILL");

    const answer = await invocation;
    expect(answer.status).toBe(200);
    expect(answer.json.outcome).toEqual({ kind: "trapped", reason: "executor-died" });
    expect(answer.json.receipt.digest).toMatch(/^[0-9a-f]{64}$/);
    // New executors take a moment to start, on a busy machine more than this tool's time to live.
    const outcomes: string[] = [];
    while (outcomes.at(-1) !== "completed" && outcomes.length < 20) {
      const next = await invoke(gateway, gateway.key, "hash/fnv1a64", { data: "" }, "support-chat");
      outcomes.push(next.json.outcome.kind);
    }
    expect(outcomes.at(-1)).toBe("completed");
  }, 120_000);
});
