/** HTTP requests through the broker beside the same requests made by undici itself. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Agent, request } from "undici";
import { runtime } from "#runtime";
import { createBroker } from "../../../src/broker/index.ts";
import type { RunHost } from "../../../src/ports/index.ts";
import { compare, planFor } from "../harness.ts";
import { median } from "../stats.ts";
import type { Figure, Suite } from "../suite.ts";

const SIZES = { "/1kB": 1024, "/1MB": 1024 * 1024 } as const;
type Path = keyof typeof SIZES;
const CONCURRENT = 64;
/** Requests that one run may have under way. */
const PER_RUN = 8;

/** The suite. */
export const egress: Suite = {
  name: "egress",
  about: "requests through the broker beside undici's own",
  async run(context) {
    const bodies = new Map(
      Object.entries(SIZES).map(([path, size]) => [path, new Uint8Array(size).fill(120)]),
    );
    const server = createServer((asked, response) => response.end(bodies.get(asked.url ?? "")));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo; // listens on TCP
    const agent = new Agent({ connections: CONCURRENT, pipelining: 1 });
    const broker = createBroker({
      clock: runtime.clock,
      resolver: { resolve: async () => ["127.0.0.1"] },
      profiles: new Map(),
      egress: { allowAddresses: ["127.0.0.1/32"] },
    });
    const openRun = () =>
      broker.openRun({
        grants: [
          {
            kind: "http-client",
            rules: [{ host: "api.test", scheme: "http", port, methods: ["GET"], paths: ["/*"] }],
          },
        ],
        budget: {
          fuel: 1,
          memory_bytes: 1,
          egress_bytes: 1e12,
          requests: 1e9,
          output_bytes: 0,
          log_bytes: 0,
        },
        startedAtMs: Date.now(),
        pool: "bench",
        limits: { events: 1e7, calls: 1e9 },
      });
    const direct = async (path: Path) => {
      const { body } = await request(`http://127.0.0.1:${port}${path}`, { dispatcher: agent });
      let bytes = 0;
      for await (const chunk of body) bytes += chunk.length;
      requireWhole(path, bytes);
    };
    try {
      const figures: Figure[] = [];
      const tables = [];
      for (const [path, ms] of [
        ["/1kB", 0.5],
        ["/1MB", 3],
      ] as const) {
        context.say(`${path}, one after another`);
        const host = openRun();
        const rows = await compare(
          [
            { name: `undici ${path}`, run: () => direct(path) },
            { name: `broker ${path}`, run: () => throughBroker(host, port, path) },
          ],
          // A thousand at the least: what the bar speaks of.
          { ...planFor(ms, context.seconds), ...(context.quick ? {} : { rounds: 20, perRound: 50 }) },
        );
        tables.push({ title: `GET ${path}, one after another`, rows });
        const [own, ours] = rows;
        if (own !== undefined && ours !== undefined) {
          figures.push({
            name: `${path}: broker's p50 over undici's`,
            value: ours.p50 - own.p50,
            unit: "ms",
          });
        }
        context.say(`${path}, ${CONCURRENT} at once`);
        const turns = context.quick ? 1 : 5;
        const each = path === "/1MB" ? 2 : 20;
        const runs = Array.from({ length: CONCURRENT / PER_RUN }, openRun);
        const rates: [number, number][] = [];
        for (let turn = 0; turn < turns; turn += 1) {
          rates.push([
            await rate(each, () => direct(path)),
            await rate(each, (index) => throughBroker(runs[index % runs.length] ?? host, port, path)),
          ]);
        }
        figures.push(
          {
            name: `${path}, ${CONCURRENT} at once: undici`,
            value: median(rates.map(([own]) => own)),
            unit: "requests/s",
          },
          {
            name: `${path}, ${CONCURRENT} at once: broker`,
            value: median(rates.map(([, ours]) => ours)),
            unit: "requests/s",
          },
          {
            name: `${path}, ${CONCURRENT} at once: broker ÷ undici`,
            value: median(rates.map(([own, ours]) => ours / own)),
            unit: `of the direct throughput, median of ${turns} turns`,
          },
        );
      }
      return {
        tables,
        figures,
        notes: [
          "the client, the server and the broker share one process and the cores named in the result file",
          "the broker's requests are its host calls (send, then reads of 256 KiB); the pipe to the executor is not in it: suites `pipe` and `guest-http` have that",
          "the resolver answers at once: what a name server takes is not in it",
        ],
      };
    } finally {
      await agent.close();
      server.closeAllConnections();
      server.close();
    }
  },
};

async function throughBroker(host: RunHost, port: number, path: Path): Promise<void> {
  const none = new Uint8Array(0);
  const args = {
    method: "GET",
    scheme: "http",
    authority: `api.test:${port}`,
    pathWithQuery: path,
    headers: [],
  };
  const sent = await host.call({ name: "http-client/send", args, body: none });
  if (sent.kind !== "ok") throw new Error(`The broker answered ${JSON.stringify(sent)}`);
  const { body: handle } = sent.value as { readonly body: number }; // the port says so
  let bytes = 0;
  for (;;) {
    const read = await host.call({
      name: "http-client/read",
      args: { handle, maxBytes: 262_144 },
      body: none,
    });
    if (read.kind !== "ok") throw new Error(`The broker answered ${JSON.stringify(read)}`);
    const { body, pieces = body === undefined ? [] : [body] } = read;
    bytes += pieces.reduce((sum, { length }) => sum + length, 0);
    // As whoever writes them to an executor does.
    read.done?.();
    if (Object(read.value).end === true) break;
  }
  requireWhole(path, bytes);
}

/** @returns requests per second of 64 callers, each with `each` requests one after another */
async function rate(each: number, run: (caller: number) => Promise<void>): Promise<number> {
  const startedAt = performance.now();
  const callers = Array.from({ length: CONCURRENT }, async (_, index) => {
    for (let turn = 0; turn < each; turn += 1) await run(index);
  });
  await Promise.all(callers);
  return (CONCURRENT * each * 1000) / (performance.now() - startedAt);
}

function requireWhole(path: Path, bytes: number): void {
  if (bytes !== SIZES[path]) throw new Error(`${path} had ${bytes} bytes`);
}
