/**
 * A guest computes before its intent is durable. Here it asks for something, of a service that counts; whatever becomes of
 * the intent, nothing is asked of the service before it is durable, and nothing is answered before its seal is.
 */
import { spawn } from "node:child_process";
import { mkdtemp } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { runtime } from "#runtime";
import { startServer } from "../../src/serve.ts";
import { openStore } from "../../src/stores/index.ts";
import {
  type Commit,
  diskOf,
  hasIntents,
  type OnCommit,
  syncsIntents,
  withCommits,
} from "../support/commits.ts";
import { removeFolder } from "../support/folder.ts";
import { type Answer, callGateway, PROJECT, testConfig } from "../support/gateway.ts";
import { firstLine } from "../support/gateway-process.ts";
import { writeGetTool } from "../support/get-guest.ts";

/** Paths that the service was asked for, in order. */
const asked: string[] = [];
let onAsked = (): void => undefined;
const service = createServer((request, response) => {
  asked.push(request.url ?? "");
  onAsked();
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
  fetch(path: string, times?: number): Promise<Answer>;
  get(path: string): Promise<Answer>;
}

function callerOf(url: string, key: string): Caller {
  const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
  return {
    fetch: (path, times = 1) =>
      callGateway(url, "/v1/tools/fetch/fetch", {
        ...{ method: "POST", headers },
        body: JSON.stringify({
          input: { authority: `127.0.0.1:${servicePort()}`, path, times },
          purpose: "demo",
        }),
      }),
    get: (path) => callGateway(url, path, { headers }),
  };
}

/** A gateway in this process, its data in a folder of its own beside the tools. */
async function open(name: string, onCommit: OnCommit, issued?: string) {
  const config = testConfig(join(folder, name), {
    ...{ toolsFolder: join(folder, "tools"), executors: 1, egressAllow: ["127.0.0.1/32"] },
    logLevel: "silent",
  });
  const server = await startServer(withCommits(onCommit), config, () => undefined);
  const key = server.bootstrapKey ?? issued ?? "";
  return { ...callerOf(server.url, key), key, stop: () => server.stop() };
}

/** Whether an intent had to share its commit with somebody else's write, and was refused. */
let hasShared = false;

/** Lets nobody else write, neither alone nor with an intent: whatever they sync takes an intent along. */
function alone(onCommit: OnCommit): OnCommit {
  return (make, commit) => {
    const isRun = syncsIntents(commit) || commit.writes.some((sql) => sql.includes("open_runs"));
    if (hasIntents(commit) && commit.synced) hasShared = true;
    else if (isRun) return onCommit(make, commit);
    throw new Error("nobody else writes now");
  };
}

/** Asks again when an intent was refused because of others. */
async function untilAdmitted(ask: () => Promise<Answer>): Promise<Answer> {
  for (;;) {
    hasShared = false;
    const answer = await ask();
    if (!hasShared) return answer;
  }
}

describe("a guest that asks for something", () => {
  const plain: OnCommit = (make) => make();
  let onCommit = plain;
  let gateway: Awaited<ReturnType<typeof open>>;

  beforeAll(async () => {
    gateway = await open("data", (make, commit) => onCommit(make, commit));
    await gateway.fetch("/cold");
    asked.length = 0;
  });
  afterEach(() => {
    onCommit = plain;
    asked.length = 0;
  });
  afterAll(() => gateway.stop());

  it("is not served while nothing can be synced, and is again afterwards", async () => {
    const disks: Readonly<Record<string, (make: () => void) => void>> = {
      "/not-stored"() {
        throw new Error("the commit failed");
      },
      "/stored"(make) {
        make();
        throw new Error("the commit failed, and is stored");
      },
    };
    const ends: unknown[] = [];
    for (const path of ["/warm", "/not-stored", "/stored", "/next"]) {
      const onSync = disks[path] ?? plain;
      onCommit = (make, commit) => (commit.synced ? onSync(make, commit) : make());
      const { json } = await gateway.fetch(path);
      ends.push(json.outcome?.kind ?? json.type.replace(/.*\//, ""));
    }
    const refused = "evidence-unavailable";
    expect(ends).toEqual(["completed", refused, refused, "completed"]);
    expect(asked).toEqual(["/warm", "/next"]);
  });

  it("is refused when its intent alone can not be synced, and is sealed as what it is", async () => {
    onCommit = alone((make, commit) => {
      if (syncsIntents(commit)) throw new Error("the commit failed");
      make();
    });
    const { json } = await untilAdmitted(() => gateway.fetch("/refused"));
    expect([json.type, asked]).toEqual([expect.stringContaining("evidence-unavailable"), []]);
    const [newest] = (await gateway.get("/v1/runs")).json.runs;
    expect(newest).toMatchObject({ outcome: "revoked" });
  });

  it("costs a sync for it and one for its seal; one that asks for nothing, one for both", async () => {
    // Of its own: what earlier tests left open is sealed by others, in commits like those that are counted.
    let onOwn: OnCommit = plain;
    const counted = await open("counted", (make, commit) => onOwn(make, commit));
    await counted.fetch("/cold");
    const commits: Commit[] = [];
    onOwn = alone((make, commit) => {
      commits.push(commit);
      make();
    });
    const made = async (times: number) => {
      const { json } = await untilAdmitted(() => {
        commits.length = 0;
        return counted.fetch("/counted", times);
      });
      expect(json.outcome).toEqual({ kind: "completed" });
      const kind = (commit: Commit) =>
        hasIntents(commit) ? "intent" : syncsIntents(commit) ? "its sync" : "seal";
      return commits.map((commit) => `${kind(commit)}: ${commit.synced ? "synced" : "left to the system"}`);
    };
    expect(await made(0)).toEqual(["intent: left to the system", "seal: synced"]);
    expect(await made(3)).toEqual(["intent: left to the system", "its sync: synced", "seal: synced"]);
    onOwn = plain;
    await counted.stop();
  });

  for (const [when, left] of [
    ["system", "there is nothing of its run"],
    ["disk", "its run is left open"],
  ] as const) {
    it(`is not served by a gateway that is killed while its intent goes to the ${when}; ${left}`, async () => {
      const data = join(folder, `killed-${when}`);
      await writeGetTool(join(data, "tools"), "fetch", servicePort());
      const program = join(PROJECT, "test", "e2e", "held-calls-child.ts");
      const flags = "Deno" in globalThis ? ["run", "-A"] : [];
      const child = spawn(process.execPath, [...flags, program, data, when], {
        stdio: ["ignore", "pipe", "pipe"],
      });
      const ended = new Promise((resolve) => child.once("exit", (_, signal) => resolve(signal)));
      const { url, key } = JSON.parse(await firstLine(child));
      asked.length = 0;
      const caller = callerOf(url, key);
      await caller.fetch("/first");
      await expect(caller.fetch("/killed")).rejects.toThrow();
      expect(await ended).toBe("SIGKILL");

      const store = await openStore(runtime.openSqlite(join(data, "writ.sqlite")));
      const rows = (await store.scanRuns("", 10)).filter(({ intent }) => intent.tool === "fetch");
      const [first, ...killed] = rows.map(({ seal }) => seal?.outcome);
      expect([first, killed.filter((outcome) => outcome !== undefined), asked]).toEqual([
        "completed",
        [],
        ["/first"],
      ]);
      // What was on its way to the disk the system has, unless it shared its commit with what was to be synced.
      expect(killed.length).toBeLessThanOrEqual(when === "system" ? 0 : 1);
      await store.close();
    });
  }
});

it("whatever was asked of the world or answered is in what a loss of power leaves", async () => {
  const path = join(folder, "power", "writ.sqlite");
  const disk = diskOf(path);
  const found: string[] = [];
  const losePower = () => {
    const to = join(folder, `found-${found.length}.sqlite`);
    disk.losePower(to);
    found.push(to);
  };
  const gateway = await open("power", disk.onCommit);
  await gateway.fetch("/cold");
  onAsked = losePower;
  const runs: string[] = [];
  for (const times of [1, 0, 2]) {
    runs.push((await gateway.fetch("/counted", times)).json.run);
    losePower();
  }
  onAsked = () => undefined;
  await gateway.stop();

  const left: unknown[] = [];
  for (const [index, each] of found.entries()) {
    const store = await openStore(runtime.openSqlite(each));
    const rows = await store.scanRuns("", 10);
    const known = rows.map(({ intent, seal }) => [runs.indexOf(intent.run), seal?.outcome] as const);
    left.push(known.filter(([run]) => run !== -1));
    expect((await store.logHead()).size, `found ${index}`).toBeGreaterThan(0);
    await store.close();
  }
  const [first, second, third] = [0, 1, 2].map((run) => [run, "completed"]);
  const unsealed = (run: number) => [run, undefined];
  expect(left).toEqual([
    [unsealed(0)],
    [first],
    [first, second],
    [first, second, unsealed(2)],
    [first, second, unsealed(2)],
    [first, second, third],
  ]);
});
