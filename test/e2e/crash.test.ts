/** What a crash leaves: kill −9 of the gateway at any moment, and of an executor in the middle of a run. */
import { readdirSync, readFileSync } from "node:fs";
import { afterEach, describe, expect, it } from "vitest";
import { callGateway } from "../support/gateway.ts";
import { invokeTool, kill, Processes } from "../support/gateway-process.ts";

const ROUNDS = 4;
const processes = new Processes();
afterEach(() => processes.end());

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
    const folder = await processes.folder();
    const acknowledged: { readonly run: string; readonly digest: string }[] = [];
    let key = "";
    for (let round = 0; round < ROUNDS; round++) {
      const gateway = await processes.start(folder);
      key = gateway.key || key;
      const callers = Promise.allSettled(
        Array.from({ length: 8 }, async () => {
          for (;;) {
            const answer = await invokeTool(gateway, key, "hash/fnv1a64", { data: "" }, "support-chat");
            if (answer.status !== 200) throw new Error(answer.text);
            acknowledged.push({ run: answer.json.run, digest: answer.json.receipt.digest });
          }
        }),
      );
      // Somewhere in the middle of the load; a different moment in each round.
      const before = acknowledged.length;
      await expect.poll(() => acknowledged.length).toBeGreaterThan(before + 1);
      await new Promise((resolve) => setTimeout(resolve, 30 + 137 * round));
      await kill(gateway.child);
      const ends = await callers;
      expect(ends.every(({ status }) => status === "rejected")).toBe(true);
    }
    expect(acknowledged.length).toBeGreaterThan(ROUNDS);

    const gateway = await processes.start(folder);
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
    // What was done to the gateway itself is in the same log, between the runs.
    const get = (path: string) => callGateway(gateway.url, path, authorization);
    for (const { action } of (await get("/v1/operate/records?limit=100")).json.records) {
      const { verificationMaterial } = (await get(`/v1/operate/records/${action}/manifest`)).json;
      sequences.push(Number(verificationMaterial.tlogEntries[0].logIndex));
    }
    expect(sequences.sort((a, b) => a - b)).toEqual(sequences.map((_, index) => index));
  });
});

describe("kill -9 of an executor", () => {
  it("yields a sealed outcome and a gateway that goes on", async () => {
    const gateway = await processes.start(await processes.folder());
    const { pid } = gateway.child;
    if (pid === undefined) throw new Error("The gateway has no pid");
    const invocation = invokeTool(gateway, gateway.key, "rogue/wait", {}, "security-drill");
    const runs = async () =>
      (
        await callGateway(gateway.url, "/v1/runs?limit=1", {
          headers: { authorization: `Bearer ${gateway.key}` },
        })
      ).json.runs;
    await expect.poll(runs).toHaveLength(1);
    await new Promise((resolve) => setTimeout(resolve, 300));
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
      const next = await invokeTool(gateway, gateway.key, "hash/fnv1a64", { data: "" }, "support-chat");
      outcomes.push(next.json.outcome.kind);
    }
    expect(outcomes.at(-1)).toBe("completed");
  });
});
