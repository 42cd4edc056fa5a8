/**
 * A guest computes while its intent is on its way to the disk. Here it has asked for something by then, of a service that
 * counts; whatever becomes of the intent, nothing is asked of the service before it is durable.
 */
import { spawn } from "node:child_process";
import { mkdtemp } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startServer } from "../../src/serve.ts";
import { removeFolder } from "../support/folder.ts";
import { type Answer, callGateway, PROJECT, testConfig } from "../support/gateway.ts";
import { firstLine } from "../support/gateway-process.ts";
import { writeGetTool } from "../support/get-guest.ts";
import { type IntentCommit, standStill, withIntentCommits } from "../support/intent-commits.ts";

/** Paths that the service was asked for, in order. */
const asked: string[] = [];
const service = createServer((request, response) => {
  asked.push(request.url ?? "");
  response.end("ok");
});
let folder: string;

beforeAll(async () => {
  await new Promise<void>((resolve) => service.listen(0, "127.0.0.1", resolve));
  folder = await mkdtemp(join(tmpdir(), "writ-ahead-"));
  await writeGetTool(join(folder, "tools"), "fetch", servicePort());
});
afterAll(async () => {
  service.closeAllConnections();
  await new Promise((resolve) => service.close(resolve));
  await removeFolder(folder);
});

function servicePort(): number {
  const address = service.address();
  return typeof address === "object" && address !== null ? address.port : 0;
}

interface Caller {
  fetch(path: string): Promise<Answer>;
  get(path: string): Promise<Answer>;
}

function callerOf(url: string, key: string): Caller {
  const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
  return {
    fetch: (path) =>
      callGateway(url, "/v1/tools/fetch/fetch", {
        ...{ method: "POST", headers },
        body: JSON.stringify({
          input: { authority: `127.0.0.1:${servicePort()}`, path, times: 1 },
          purpose: "demo",
        }),
      }),
    get: (path) => callGateway(url, path, { headers }),
  };
}

/** A gateway in this process, its data in a folder of its own beside the tools. */
async function open(name: string, onCommit: IntentCommit, issued?: string) {
  const config = testConfig(join(folder, name), {
    ...{ toolsFolder: join(folder, "tools"), executors: 1, egressAllow: ["127.0.0.1/32"] },
    logLevel: "silent",
  });
  const server = await startServer(withIntentCommits(onCommit), config, () => undefined);
  const key = server.bootstrapKey ?? issued ?? "";
  return { ...callerOf(server.url, key), key, stop: () => server.stop() };
}

describe("a guest that has asked before its intent is durable", () => {
  it("is served once it is; not before, and not at all when the commit fails", async () => {
    const before: (readonly string[])[] = [];
    const commits: Record<number, IntentCommit> = {
      2() {
        throw new Error("the commit failed");
      },
      3(commit) {
        commit();
        throw new Error("the commit failed, and its intents are stored");
      },
    };
    const gateway = await open("data", (commit, count) => {
      standStill(100);
      before.push([...asked]);
      const meet = commits[count] ?? ((commit) => commit());
      meet(commit, count);
    });
    asked.length = 0;
    const ends: unknown[] = [];
    for (const path of ["/cold", "/warm", "/not-stored", "/stored", "/next"]) {
      const { json } = await gateway.fetch(path);
      ends.push(json.outcome?.kind ?? json.type.replace(/.*\//, ""));
    }
    const refused = "evidence-unavailable";
    expect(ends).toEqual(["completed", "completed", refused, refused, "completed"]);
    expect(asked).toEqual(["/cold", "/warm", "/next"]);
    expect(before).toEqual([[], ["/cold"], ["/cold", "/warm"], ["/cold", "/warm"], ["/cold", "/warm"]]);
    await gateway.stop();

    // What was stored is closed, at the next start at the latest, and is not said to have done anything.
    const again = await open("data", (commit) => commit(), gateway.key);
    const { runs } = (await again.get("/v1/runs")).json;
    const outcomes = runs.map(({ outcome }: { readonly outcome: string }) => outcome);
    expect(outcomes).toEqual(["completed", "indeterminate", "completed", "completed"]);
    await again.stop();
  });

  it("is not served by a gateway that is killed before, which leaves no trace of it", async () => {
    const data = join(folder, "killed");
    await writeGetTool(join(data, "tools"), "fetch", servicePort());
    const program = join(PROJECT, "test", "e2e", "ahead-child.ts");
    const flags = "Deno" in globalThis ? ["run", "-A"] : [];
    const child = spawn(process.execPath, [...flags, program, data], { stdio: ["ignore", "pipe", "pipe"] });
    const ended = new Promise((resolve) => child.once("exit", (_, signal) => resolve(signal)));
    const { url, key } = JSON.parse(await firstLine(child));
    asked.length = 0;
    const caller = callerOf(url, key);
    const { run } = (await caller.fetch("/first")).json;
    await expect(caller.fetch("/killed")).rejects.toThrow();
    expect(await ended).toBe("SIGKILL");

    const again = await startServer(
      withIntentCommits((commit) => commit()),
      testConfig(data, { toolsFolder: join(data, "tools"), logLevel: "silent" }),
      () => undefined,
    );
    const { runs } = (await callerOf(again.url, key).get("/v1/runs")).json;
    expect(runs.map((row: { run: string; outcome: string }) => [row.run, row.outcome])).toEqual([
      [run, "completed"],
    ]);
    expect(asked).toEqual(["/first"]);
    await again.stop();
  });
});
