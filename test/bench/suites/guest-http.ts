/** HTTP requests of a guest, in its locked-down process, through pipe and broker, beside the same requests made by undici. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { Agent, request } from "undici";
import { runtime } from "#runtime";
import { createBroker } from "../../../src/broker/index.ts";
import { createSandbox } from "../../../src/sandbox/index.ts";
import { admit, exported } from "../../support/components.ts";
import { getGuest } from "../../support/get-guest.ts";
import { rowOf } from "../harness.ts";
import { median } from "../stats.ts";
import type { Figure, Suite, Table } from "../suite.ts";

const SIZES = { "/1kB": 1024, "/1MB": 1024 * 1024 } as const;
type Path = keyof typeof SIZES;
const PATHS = ["/1kB", "/1MB"] as const;
const CONCURRENT = 64;

/** The suite. */
export const guestHttp: Suite = {
  name: "guest-http",
  about:
    "a guest's GET of 1 kB and 1 MB through pipe and broker beside undici's own, one after another and 64 at once",
  async run(context) {
    const bodies = new Map(
      Object.entries(SIZES).map(([path, size]) => [path, new Uint8Array(size).fill(120)]),
    );
    /** When each request arrived: from one arrival to the next is a whole call, as its server sees it. */
    let arrivals: number[] = [];
    const server = createServer((asked, response) => {
      arrivals.push(performance.now());
      response.end(bodies.get(asked.url ?? ""));
    });
    await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
    const { port } = server.address() as AddressInfo; // listens on TCP
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

    async function byGuest(path: Path, times: number): Promise<void> {
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
        input: { authority: `api.test:${port}`, path, times },
        fuel: budget.fuel,
        memoryBytes: budget.memory_bytes,
        outputBytes: budget.output_bytes,
        timeToLiveMs: 60_000,
        info: { traceId: "0".repeat(32), tool: "bench", purpose: "benchmark" },
        host,
      });
      host.close();
      if (outcome.kind !== "completed") throw new Error(`The guest ended as ${JSON.stringify(outcome)}`);
      requireWhole(path, Number(output), times);
    }

    async function directly(path: Path, times: number): Promise<void> {
      let bytes = 0;
      for (let turn = 0; turn < times; turn += 1) {
        const { body } = await request(`http://127.0.0.1:${port}${path}`, { dispatcher: agent });
        for await (const chunk of body) bytes += chunk.length;
      }
      requireWhole(path, bytes, times);
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
      for (const path of PATHS) {
        const subjects = [
          { name: "undici", run: (times: number) => directly(path, times) },
          { name: "guest", run: (times: number) => byGuest(path, times) },
        ];
        context.say(`${path}, one after another`);
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
        const rows = subjects.map(({ name }, index) => rowOf(`${name} ${path}`, samples[index] ?? []));
        tables.push({
          title: `GET ${path}, one after another: from one arrival at the server to the next`,
          rows,
        });
        figures.push({
          name: `${path}: guest's p50 over undici's, median of ${rounds} rounds`,
          value: median(overheads),
          unit: "ms",
        });

        context.say(`${path}, ${CONCURRENT} at once`);
        // Several for each guest: what is measured is calls, and not what it costs to begin a run.
        const each = path === "/1MB" ? 4 : 20;
        const rates: number[][] = subjects.map(() => []);
        for (const { run } of subjects) await rate(run, 1);
        for (let turn = 0; turn < (context.quick ? 1 : 5); turn += 1)
          for (const [index, { run }] of subjects.entries()) rates[index]?.push(await rate(run, each));
        const [own = [], ours = []] = rates;
        const ratios = ours.map((value, turn) => value / (own[turn] ?? value));
        figures.push(
          { name: `${path}, ${CONCURRENT} at once: undici`, value: median(own), unit: "requests/s" },
          { name: `${path}, ${CONCURRENT} at once: guests`, value: median(ours), unit: "requests/s" },
          {
            name: `${path}, ${CONCURRENT} at once: guests ÷ undici`,
            value: median(ratios),
            unit: "of the direct throughput",
          },
        );
      }
      return {
        tables,
        figures,
        notes: [
          "client, server, broker and undici share one process; guests run in one executor beside it",
          "64 at once are 64 runs in that executor, with 4 calls of 1 MB or 20 of 1 kB one after another in each; undici has 64 connections, the broker as many as it needs",
          "the resolver answers at once: what a name server takes is not in it",
        ],
      };
    } finally {
      await sandbox.close();
      await agent.close();
      server.closeAllConnections();
      server.close();
    }
  },
};

function requireWhole(path: Path, bytes: number, times: number): void {
  if (bytes !== SIZES[path] * times) throw new Error(`${times} of ${path} had ${bytes} bytes`);
}
