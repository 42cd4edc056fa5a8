/** HTTP requests of a guest, in its locked-down process, through pipe and broker, beside the same requests made by undici. */
import { spawn } from "node:child_process";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { Agent, request } from "undici";
import { runtime } from "#runtime";
import { createBroker } from "../../../src/broker/index.ts";
import { PROJECT_FOLDER } from "../../../src/compose.ts";
import { createSandbox } from "../../../src/sandbox/index.ts";
import { admit, exported } from "../../support/components.ts";
import { getGuest } from "../../support/get-guest.ts";
import { rowOf } from "../harness.ts";
import { median } from "../stats.ts";
import type { Figure, Suite, Table } from "../suite.ts";
import { createBodiesServer } from "../support/bodies-server.ts";

const SIZES = { "1 kB": 1024, "1 MB": 1024 * 1024 } as const;
type Size = keyof typeof SIZES;
const NAMES = ["1 kB", "1 MB"] as const;
const CONCURRENT = 64;

/** The suite. */
export const guestHttp: Suite = {
  name: "guest-http",
  about:
    "a guest's GET of 1 kB and 1 MB through pipe and broker beside undici's own, one after another and 64 at once",
  async run(context) {
    /** When each request arrived: from one arrival to the next is a whole call, as its server sees it. */
    let arrivals: number[] = [];
    const server = createBodiesServer(() => arrivals.push(performance.now()));
    await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
    const { port: near } = server.address() as AddressInfo; // listens on TCP
    const apart = await openApart();
    const agent = new Agent({ connections: CONCURRENT, pipelining: 1 });
    const broker = createBroker({
      clock: runtime.clock,
      resolver: { resolve: async () => ["127.0.0.1"] },
      profiles: new Map(),
      egress: { allowAddresses: ["127.0.0.1/32"] },
    });
    const sandbox = await createSandbox({
      clock: runtime.clock,
      entropy: runtime.entropy,
      files: runtime.files,
      spawn: runtime.spawnExecutor,
      cacheFolder: join(context.folder, "cache"),
      executors: 1,
      queue: 2 * CONCURRENT,
    });
    const component = await admit(await getGuest());
    let runs = 0;

    async function byGuest(size: Size, times: number, port = near): Promise<void> {
      const budget = {
        ...{ fuel: 1e12, memory_bytes: 16 * 1024 * 1024, egress_bytes: 1e12 },
        ...{ requests: 1e9, output_bytes: 1024, log_bytes: 0 },
      };
      const methods = ["GET"] as const;
      const rules = [{ host: "api.test", scheme: "http", port, methods, paths: ["/*"] }] as const;
      const host = broker.openRun({
        grants: [{ kind: "http-client", rules }],
        budget,
        startedAtMs: Date.now(),
        pool: "bench",
        limits: { events: 1e7, calls: 1e9 },
      });
      const { outcome, output } = await sandbox.run({
        run: `run_bench_${runs++}`,
        tenant: "bench",
        component,
        ...exported(component, "fetch"),
        input: { authority: `api.test:${port}`, path: `/${SIZES[size]}`, times },
        fuel: budget.fuel,
        memoryBytes: budget.memory_bytes,
        outputBytes: budget.output_bytes,
        timeToLiveMs: 60_000,
        info: { traceId: "0".repeat(32), tool: "bench", purpose: "benchmark" },
        host,
      });
      host.close();
      if (outcome.kind !== "completed") throw new Error(`The guest ended as ${JSON.stringify(outcome)}`);
      requireWhole(size, Number(output), times);
    }

    async function directly(size: Size, times: number, port = near): Promise<void> {
      let bytes = 0;
      for (let turn = 0; turn < times; turn += 1) {
        const { body } = await request(`http://127.0.0.1:${port}/${SIZES[size]}`, { dispatcher: agent });
        for await (const chunk of body) bytes += chunk.length;
      }
      requireWhole(size, bytes, times);
    }

    /** @returns ms of each of so many calls */
    async function periods(run: (times: number) => Promise<void>, times: number): Promise<readonly number[]> {
      arrivals = [];
      await run(times + 1);
      return arrivals.slice(1).map((at, index) => at - (arrivals[index] ?? at));
    }

    /** @returns requests per second of 64 callers, each with `each` of them one after another */
    async function rate(run: (times: number) => Promise<void>, each: number): Promise<number> {
      const startedAt = performance.now();
      await Promise.all(Array.from({ length: CONCURRENT }, () => run(each)));
      return (CONCURRENT * each * 1000) / (performance.now() - startedAt);
    }

    try {
      const figures: Figure[] = [];
      const tables: Table[] = [];
      for (const size of NAMES) {
        const subjects = [
          { name: "undici", run: (times: number, port?: number) => directly(size, times, port) },
          { name: "guest", run: (times: number, port?: number) => byGuest(size, times, port) },
        ];
        context.say(`${size}, one after another`);
        for (const { run } of subjects) await run(context.quick ? 20 : 200);
        const rounds = context.quick ? 2 : 20;
        const samples: number[][] = subjects.map(() => []);
        const overheads: number[] = [];
        // In turns, so that a machine that slows down slows both.
        for (let round = 0; round < rounds; round += 1) {
          const pair: number[] = [];
          for (const [index, { run }] of subjects.entries()) {
            const calls = await periods(run, 50);
            samples[index]?.push(...calls);
            pair.push(median(calls));
          }
          overheads.push((pair[1] ?? 0) - (pair[0] ?? 0));
        }
        const rows = subjects.map(({ name }, index) => rowOf(`${name}, ${size}`, samples[index] ?? []));
        tables.push({
          title: `GET of ${size}, one after another: from one arrival at the server to the next`,
          rows,
        });
        figures.push({
          name: `${size}: guest's p50 over undici's, median of ${rounds} rounds`,
          value: median(overheads),
          unit: "ms",
        });

        // Several for each guest: what is measured is calls, and not what it costs to begin a run.
        const each = size === "1 MB" ? 4 : 20;
        const places = [
          { at: `${size}, ${CONCURRENT} at once`, port: near },
          { at: `${size}, ${CONCURRENT} at once, their server a process of its own`, port: apart.port },
        ];
        for (const { at, port } of places) {
          context.say(at);
          const rates: number[][] = subjects.map(() => []);
          for (const { run } of subjects) await rate((times) => run(times, port), 1);
          for (let turn = 0; turn < (context.quick ? 1 : 5); turn += 1)
            for (const [index, { run }] of subjects.entries())
              rates[index]?.push(await rate((times) => run(times, port), each));
          const [own = [], ours = []] = rates;
          const ratios = ours.map((value, turn) => value / (own[turn] ?? value));
          figures.push(
            { name: `${at}: undici`, value: median(own), unit: "requests/s" },
            { name: `${at}: guests`, value: median(ours), unit: "requests/s" },
            { name: `${at}: guests ÷ undici`, value: median(ratios), unit: "of the direct throughput" },
          );
        }
      }
      return {
        tables,
        figures,
        notes: [
          "client, server, broker and undici share one process; guests run in one executor beside it",
          "with a server of its own undici's client has a core to itself; guests, their gateway and that server are three processes, on as many cores as there are",
          "64 at once are 64 runs in that executor, with 4 calls of 1 MB or 20 of 1 kB one after another in each; undici has 64 connections, the broker as many as it needs",
          "the resolver answers at once: what a name server takes is not in it",
        ],
      };
    } finally {
      await sandbox.close();
      await agent.close();
      server.closeAllConnections();
      server.close();
      await apart.close();
    }
  },
};

/** The same server as a process of its own. */
async function openApart(): Promise<{ readonly port: number; readonly close: () => Promise<void> }> {
  const child = spawn(
    join(PROJECT_FOLDER, "node_modules/.bin/node"),
    [join(PROJECT_FOLDER, "test/bench/support/bodies-server.ts")],
    { stdio: ["pipe", "pipe", "inherit"] },
  );
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  const port = await new Promise<number>((resolve, reject) => {
    child.stdout.once("data", (text: Uint8Array) => resolve(Number(new TextDecoder().decode(text))));
    child.once("close", () => reject(new Error("The server ended before it listened")));
  });
  return {
    port,
    async close() {
      child.stdin.end();
      await ended;
    },
  };
}

function requireWhole(size: Size, bytes: number, times: number): void {
  if (bytes !== SIZES[size] * times) throw new Error(`${times} of ${size} had ${bytes} bytes`);
}
