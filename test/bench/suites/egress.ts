/** HTTP requests through the broker beside the same requests made by undici itself, and calls through the pipe. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { Agent, request } from "undici";
import { runtime } from "#runtime";
import { createBroker } from "../../../src/broker/index.ts";
import type { RunHost } from "../../../src/ports/index.ts";
import { createSandbox } from "../../../src/sandbox/index.ts";
import { componentOf, exported, LOG_IMPORT, MEMORY_MODULE } from "../../support/components.ts";
import { compare, planFor, rowOf } from "../harness.ts";
import { median } from "../stats.ts";
import type { Figure, Suite, SuiteContext } from "../suite.ts";

const SIZES = { "/1kB": 1024, "/1MB": 1024 * 1024 } as const;
type Path = keyof typeof SIZES;
const CONCURRENT = 64;
/** Requests that one run may have under way. */
const PER_RUN = 8;

/** The suite. */
export const egress: Suite = {
  name: "egress",
  about: "requests through the broker beside undici's own, and one capability call through the pipe",
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
      const calls = await capabilityCalls(context);
      return {
        tables: [
          ...tables,
          {
            title: "one call of writ:host/log through the locked-down process and back",
            rows: [rowOf("log.write", calls)],
          },
        ],
        figures,
        notes: [
          "the client, the server and the broker share one process and the cores named in the result file",
          "the broker's requests are its host calls (send, then reads of 256 KiB); the pipe to the executor is in the last table, per call",
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

/** @returns ms of one call, from runs that make a thousand of them and from runs that make none */
async function capabilityCalls(context: SuiteContext): Promise<readonly number[]> {
  const calls = 1000;
  const component = await componentOf(guestText());
  const sandbox = await createSandbox({
    clock: runtime.clock,
    entropy: runtime.entropy,
    files: runtime.files,
    spawn: runtime.spawnExecutor,
    cacheFolder: join(context.folder, "cache"),
    executors: 1,
    queue: 10,
  });
  try {
    const time = async (count: number) => {
      const startedAt = performance.now();
      const { outcome } = await sandbox.run({
        run: "run_bench",
        tenant: "bench",
        component,
        ...exported(component, "run"),
        input: { n: count },
        fuel: 1e12,
        memoryBytes: 16 * 1024 * 1024,
        outputBytes: 1024,
        timeToLiveMs: 60_000,
        info: { traceId: "0".repeat(32), tool: "bench", purpose: "benchmark" },
        host: answering(),
      });
      if (outcome.kind !== "completed") throw new Error(`The guest ended as ${JSON.stringify(outcome)}`);
      return performance.now() - startedAt;
    };
    for (let warm = 0; warm < 5; warm += 1) await time(calls);
    const samples: number[] = [];
    for (let turn = 0; turn < (context.quick ? 3 : 30); turn += 1) {
      samples.push(((await time(calls)) - (await time(0))) / calls);
    }
    return samples;
  } finally {
    await sandbox.close();
  }
}

function answering(): RunHost {
  return {
    call: async () => ({ kind: "ok", value: null }),
    close: () => undefined,
    events: [],
    usage: { egress_bytes: 0, requests: 0, log_bytes: 0 },
    denial: undefined,
    diagnostics: [],
  };
}

/** `run(n)`: writes `n` log entries of no text, each a call that waits for its answer. */
function guestText(): string {
  return `(component
    ${LOG_IMPORT}
    ${MEMORY_MODULE}
    (core func $write' (canon lower (func $write) (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
    (core module $guest
      (import "h" "write" (func $write (param i32 i32 i32 i32 i32 i32)))
      (func (export "run") (param $left i32)
        (block $done (loop $again
          (br_if $done (i32.eqz (local.get $left)))
          (call $write (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 64))
          (local.set $left (i32.sub (local.get $left) (i32.const 1)))
          (br $again)))))
    (core instance $guest (instantiate $guest (with "h" (instance (export "write" (func $write'))))))
    (func (export "run") (param "n" u32) (canon lift (core func $guest "run"))))`;
}
