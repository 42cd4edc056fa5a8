/**
 * A guest computes while its intent is being stored, and before that the observer's line. Whatever becomes of them, nothing is
 * asked of the world before they are there, nothing is answered without them, and no guest begins whose claims are refused.
 */
import { mkdtemp } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { startServer } from "../../src/serve.ts";
import { hasIntents, type OnCommit, withCommits } from "../support/commits.ts";
import { removeFolder } from "../support/folder.ts";
import { type Answer, callGateway, testConfig } from "../support/gateway.ts";
import { writeGetTool } from "../support/get-guest.ts";
import { patientClock } from "../support/patient-clock.ts";

const REFUSED = "evidence-unavailable";
/** What a commit of intents can come to, beside being made. */
const FAILURES: Readonly<Record<string, OnCommit>> = {
  "not stored"() {
    throw new Error("the commit failed");
  },
  stored(make) {
    make();
    throw new Error("the commit failed, and is stored");
  },
};

/** Paths that the service was asked for, in order. */
const asked: string[] = [];
const service = createServer((request, response) => {
  asked.push(request.url ?? "");
  response.end("ok");
});
/** Pids of executors that were told to run a guest, in order. */
const begun: number[] = [];
const make: OnCommit = (commit) => commit();
let onIntents = make;
/** What the observer's file does with a line, before it takes it. */
let onLine = (): void => undefined;
let folder: string;
let gateway: Awaited<ReturnType<typeof startServer>>;
let key: string;

beforeAll(async () => {
  await new Promise<void>((resolve) => service.listen(0, "127.0.0.1", resolve));
  folder = await mkdtemp(join(tmpdir(), "writ-head-start-"));
  const tools = join(folder, "tools");
  await writeGetTool(tools, "fetch", servicePort());
  await writeGetTool(tools, "twice", servicePort(), { windows: [{ per: "720h", runs: 2 }] });
  const host = withCommits((commit, about) => (hasIntents(about) ? onIntents(commit, about) : commit()));
  gateway = await startServer(
    {
      ...host,
      clock: patientClock,
      async openAppend(path) {
        const file = await host.openAppend(path);
        return {
          ...file,
          append(bytes) {
            onLine();
            return file.append(bytes);
          },
        };
      },
      spawnExecutor(role, cage) {
        const executor = host.spawnExecutor(role, cage);
        return {
          ...executor,
          write(...pieces) {
            const text = new TextDecoder().decode(pieces[0]);
            if (text.includes('"type":"run"')) begun.push(executor.pid);
            return executor.write(...pieces);
          },
        };
      },
    },
    testConfig(join(folder, "data"), {
      ...{ toolsFolder: tools, executors: 1, egressAllow: ["127.0.0.1/32"], logLevel: "silent" },
    }),
    () => undefined,
  );
  key = gateway.bootstrapKey ?? "";
  await call("fetch", "/cold");
  asked.length = 0;
  begun.length = 0;
});
afterEach(() => {
  onIntents = make;
  onLine = () => undefined;
  asked.length = 0;
  begun.length = 0;
});
afterAll(async () => {
  await gateway.stop();
  service.closeAllConnections();
  await new Promise((resolve) => service.close(resolve));
  await removeFolder(folder);
});

function servicePort(): number {
  const address = service.address();
  return typeof address === "object" && address !== null ? address.port : 0;
}

/** @param times how often the guest asks for the path */
function call(tool: string, path: string, times = 1): Promise<Answer> {
  return callGateway(gateway.url, `/v1/tools/${tool}/fetch`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    body: JSON.stringify({
      input: { authority: `127.0.0.1:${servicePort()}`, path, times },
      purpose: "demo",
    }),
  });
}

/** How it ended, or why it was refused. */
const endOf = ({ json }: Answer): string => json.outcome?.kind ?? json.type.replace(/.*\//, "");

it("has begun when its intent is written, behind the observer's line, and has asked nobody for anything until it is", async () => {
  const seen: unknown[] = [];
  onLine = () => void seen.push(["line", begun.length, ...asked]);
  onIntents = (commit) => {
    seen.push(["intent", begun.length, ...asked]);
    commit();
  };
  const before = [
    ["line", 1],
    ["intent", 1],
  ];
  expect([endOf(await call("fetch", "/a")), seen.slice(0, 2), asked]).toEqual(["completed", before, ["/a"]]);
});

it("is not served, and nothing of it is stored, when the observer can not write its line", async () => {
  const intents: unknown[] = [];
  onIntents = (commit, about) => {
    intents.push(about);
    commit();
  };
  onLine = () => {
    throw new Error("the observer's disk failed");
  };
  expect([endOf(await call("fetch", "/refused")), begun.length, intents, asked]).toEqual([
    REFUSED,
    1,
    [],
    [],
  ]);
  onLine = () => undefined;
  expect([endOf(await call("fetch", "/next")), asked]).toEqual(["completed", ["/next"]]);
});

for (const [stored, failure] of Object.entries(FAILURES)) {
  it(`is not served and not answered when its intent failed and is ${stored}`, async () => {
    onIntents = failure;
    expect([endOf(await call("fetch", "/refused")), begun.length, asked]).toEqual([REFUSED, 1, []]);
    onIntents = make;
    expect([endOf(await call("fetch", "/next")), asked]).toEqual(["completed", ["/next"]]);
  });

  it(`costs no executor when it asks for nothing, and its intent failed and is ${stored}`, async () => {
    onIntents = failure;
    for (let i = 0; i < 3; i++) expect(endOf(await call("fetch", "/refused", 0))).toBe(REFUSED);
    onIntents = make;
    expect(endOf(await call("fetch", "/next", 0))).toBe("completed");
    expect([begun.length, new Set(begun).size]).toEqual([4, 1]);
  });
}

it("begins behind its claims, before they are written; and never where they are refused", async () => {
  const seen: number[] = [];
  onIntents = (commit) => {
    seen.push(begun.length);
    commit();
  };
  const ends: string[] = [];
  for (let i = 0; i < 4; i++) ends.push(endOf(await call("twice", "/claimed", 0)));
  expect([ends, begun.length, seen]).toEqual([
    ["completed", "completed", "budget-spent", "budget-spent"],
    2,
    [1, 2],
  ]);
});
