/** HTTP requests of a guest, in its locked-down process, through pipe and broker, beside the same requests made by undici. */
import { spawn } from "node:child_process";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { Agent, request } from "undici";
import { runtime } from "#runtime";
import { createBroker } from "../../../src/broker/index.ts";
import { PROJECT_FOLDER } from "../../../src/compose.ts";
import { createSandbox } from "../../../src/sandbox/index.ts";
import { fixture, TLS_HOST } from "../../broker/support.ts";
import { admit, exported } from "../../support/components.ts";
import { getGuest } from "../../support/get-guest.ts";
import { rowOf } from "../harness.ts";
import { median } from "../stats.ts";
import type { Figure, Suite, Table } from "../suite.ts";
import { openBareGuest } from "../support/bare-guest.ts";
import { createBodiesServer, createTlsBodiesServer } from "../support/bodies-server.ts";

const SIZES = { "1 kB": 1024, "1 MB": 1024 * 1024 } as const;
type Size = keyof typeof SIZES;
const NAMES = ["1 kB", "1 MB"] as const;
const CONCURRENT = 64;

/** Calls before anything is timed: their code is compiled for good after some thousands, on either side. */
const WARM = { "1 kB": 5000, "1 MB": 400 } as const;

/** Whoever makes GETs, one after another. */
interface Subject {
  readonly name: string;
  /** @returns bytes of all answers */
  run(place: Place, path: string, times: number): Promise<number>;
}

/** A server, and how it is spoken to. */
interface Place {
  readonly scheme: "http" | "https";
  readonly port: number;
}

/** The suite. */
export const guestHttp: Suite = {
  name: "guest-http",
  about:
    "a guest's GET of 1 kB and 1 MB through pipe and broker beside undici's own, one after another and 64 at once",
  async run(context) {
    /** When each request arrived: from one arrival to the next is a whole call, as its server sees it. */
    let arrivals: number[] = [];
    const arrived = () => void arrivals.push(performance.now());
    const identity = { cert: fixture("tls-cert.pem"), key: fixture("tls-key.pem") };
    const servers = [createBodiesServer(arrived), createTlsBodiesServer(identity, arrived)] as const;
    const [near, secure] = await Promise.all(servers.map(listening));
    const apart = await openApart();
    const connect = { ca: identity.cert, servername: TLS_HOST };
    const agent = new Agent({ connections: CONCURRENT, pipelining: 1, connect });
    const get = async (url: string) => (await request(url, { dispatcher: agent })).body;
    const bare = openBareGuest(get);
    const guests = await openGuests(context.folder, identity.cert);

    const undici: Subject = {
      name: "undici",
      async run({ scheme, port }, path, times) {
        let bytes = 0;
        for (let turn = 0; turn < times; turn += 1)
          for await (const chunk of await get(`${scheme}://127.0.0.1:${port}${path}`)) bytes += chunk.length;
        return bytes;
      },
    };
    const boundary: Subject = {
      name: "bare process",
      run: ({ scheme, port }, path, times) => bare.run(`${scheme}://127.0.0.1:${port}${path}`, times),
    };
    const guest: Subject = { name: "guest", run: guests.run };

    async function exact(subject: Subject, place: Place, size: Size, times: number): Promise<void> {
      const bytes = await subject.run(place, `/${SIZES[size]}`, times);
      if (bytes !== SIZES[size] * times) throw new Error(`${times} of ${size} had ${bytes} bytes`);
    }

    /** @returns ms of each of so many calls */
    async function periods(subject: Subject, place: Place, size: Size, times: number) {
      arrivals = [];
      await exact(subject, place, size, times + 1);
      return arrivals.slice(1).map((at, index) => at - (arrivals[index] ?? at));
    }

    /** @returns requests per second of 64 callers, each with `each` of them one after another */
    async function rate(subject: Subject, place: Place, size: Size, each: number): Promise<number> {
      const startedAt = performance.now();
      await Promise.all(Array.from({ length: CONCURRENT }, () => exact(subject, place, size, each)));
      return (CONCURRENT * each * 1000) / (performance.now() - startedAt);
    }

    /** In turns, so that a machine that slows down slows all. */
    async function oneAfterAnother(title: string, place: Place, size: Size, subjects: readonly Subject[]) {
      context.say(title);
      for (const subject of subjects) await exact(subject, place, size, context.quick ? 20 : WARM[size]);
      const rounds = context.quick ? 2 : 20;
      const samples = subjects.map((): number[] => []);
      const medians = subjects.map((): number[] => []);
      for (let round = 0; round < rounds; round += 1)
        for (const [index, subject] of subjects.entries()) {
          const calls = await periods(subject, place, size, 50);
          samples[index]?.push(...calls);
          medians[index]?.push(median(calls));
        }
      const rows = subjects.map(({ name }, index) => rowOf(name, samples[index] ?? []));
      tables.push({ title: `${title}: from one arrival at the server to the next`, rows });
      const [own = [], ...others] = medians;
      for (const [index, other] of others.entries())
        figures.push({
          name: `${title}: ${subjects[index + 1]?.name}'s p50 over undici's, median of ${rounds} rounds`,
          value: median(other.map((ms, round) => ms - (own[round] ?? 0))),
          unit: "ms",
        });
    }

    /** Several for each caller: what is measured is calls, and not what it costs to begin a run. */
    async function atOnce(title: string, place: Place, size: Size, subjects: readonly Subject[]) {
      context.say(title);
      const each = size === "1 MB" ? 4 : 20;
      for (const subject of subjects)
        for (let turn = 0; turn < (context.quick ? 1 : 4); turn += 1) await rate(subject, place, size, each);
      const rates = subjects.map((): number[] => []);
      for (let turn = 0; turn < (context.quick ? 1 : 7); turn += 1)
        for (const [index, subject] of subjects.entries())
          rates[index]?.push(await rate(subject, place, size, each));
      const [own = [], ...others] = rates;
      figures.push({ name: `${title}: undici`, value: median(own), unit: "requests/s" });
      for (const [index, other] of others.entries())
        figures.push(
          { name: `${title}: ${subjects[index + 1]?.name}`, value: median(other), unit: "requests/s" },
          {
            name: `${title}: ${subjects[index + 1]?.name} ÷ undici`,
            value: median(other.map((value, turn) => value / (own[turn] ?? value))),
            unit: "of the direct throughput",
          },
        );
    }

    const figures: Figure[] = [];
    const tables: Table[] = [];
    try {
      const plain = { scheme: "http", port: near ?? 0 } as const;
      const tls = { scheme: "https", port: secure ?? 0 } as const;
      for (const size of NAMES) {
        await oneAfterAnother(`GET of ${size}, one after another`, plain, size, [undici, boundary, guest]);
        await oneAfterAnother(`GET of ${size} by https, one after another`, tls, size, [
          undici,
          boundary,
          guest,
        ]);
        await atOnce(`${size}, 64 at once`, plain, size, [undici, boundary, guest]);
        await atOnce(`${size} by https, 64 at once`, tls, size, [undici, boundary, guest]);
        const alone = { scheme: "http", port: apart.port } as const;
        await atOnce(`${size}, 64 at once, their server a process of its own`, alone, size, [
          undici,
          boundary,
          guest,
        ]);
      }
      return {
        tables,
        figures,
        notes: [
          "client, server, broker and undici share one process; guests run in one executor beside it",
          "bare process: asks over its pipe for the same GETs, which undici makes and nobody looks at, and counts their bytes: what no guest in a process of its own goes without",
          "with a server of its own undici's client has a core to itself; guests, their gateway and that server are three processes, on as many cores as there are",
          "64 at once are 64 runs in that process, with 4 calls of 1 MB or 20 of 1 kB one after another in each; undici has 64 connections, the broker as many as it needs",
          "the resolver answers at once: what a name server takes is not in it",
        ],
      };
    } finally {
      await guests.close();
      await bare.close();
      await agent.close();
      for (const server of servers) {
        server.closeAllConnections();
        server.close();
      }
      await apart.close();
    }
  },
};

async function listening(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return (server.address() as AddressInfo).port; // listens on TCP
}

/** Runs of a guest in an executor, whose requests a broker makes. */
async function openGuests(folder: string, authority: string) {
  const broker = createBroker({
    clock: runtime.clock,
    resolver: { resolve: async () => ["127.0.0.1"] },
    profiles: new Map(),
    egress: {
      allowAddresses: ["127.0.0.1/32"],
      certificateAuthorities: [authority],
      tlsHoldsBack: runtime.tlsHoldsBack,
    },
  });
  const sandbox = await createSandbox({
    clock: runtime.clock,
    entropy: runtime.entropy,
    files: runtime.files,
    spawn: runtime.spawnExecutor,
    cacheFolder: join(folder, "cache"),
    executors: 1,
    queue: 2 * CONCURRENT,
  });
  const component = await admit(await getGuest());
  const budget = {
    ...{ fuel: 1e12, memory_bytes: 16 * 1024 * 1024, egress_bytes: 1e12 },
    ...{ requests: 1e9, output_bytes: 1024, log_bytes: 0 },
  };
  let runs = 0;
  return {
    async run({ scheme, port }: Place, path: string, times: number): Promise<number> {
      const rule = { host: TLS_HOST, scheme, port, methods: ["GET"], paths: ["/*"] } as const;
      const host = broker.openRun({
        grants: [{ kind: "http-client", rules: [rule] }],
        budget,
        startedAtMs: Date.now(),
        pool: "bench",
        limits: { events: 1e7, calls: 1e9 },
      });
      const { outcome, output } = await sandbox.run({
        run: `run_bench_${runs++}`,
        tenant: "bench",
        component,
        ...exported(component, scheme === "http" ? "fetch" : "fetch-over-tls"),
        input: { authority: `${TLS_HOST}:${port}`, path, times },
        fuel: budget.fuel,
        memoryBytes: budget.memory_bytes,
        outputBytes: budget.output_bytes,
        timeToLiveMs: 60_000,
        info: { traceId: "0".repeat(32), tool: "bench", purpose: "benchmark" },
        host,
      });
      host.close();
      if (outcome.kind === "completed") return Number(output);
      throw new Error(`The guest ended as ${JSON.stringify(outcome)}`);
    },
    close: () => sandbox.close(),
  };
}

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
