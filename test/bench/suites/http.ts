/** A whole invocation over HTTP, durable and signed, beside a Hono server that does nothing, in the same run. */
import { closeSync, fdatasyncSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { compare, planFor, type Row, rowOf } from "../harness.ts";
import { median } from "../stats.ts";
import type { Figure, Suite } from "../suite.ts";
import { type BenchRequest, connect, type Saturation, saturate } from "../support/client.ts";
import { countProcessor, usedBetween } from "../support/processor.ts";
import { startEcho, startGateway } from "../support/server.ts";

const PATH = "/v1/tools/hash/hash/fnv1a64";
const BODY = JSON.stringify({ input: { data: "aGVsbG8=" }, purpose: "benchmark" });
const RUN = "writ hash/fnv1a64";
const CONNECTIONS = 16;
/** Requests that show what a gateway costs whose code no engine has optimised yet. */
const FIRST = 500;

/** The suite. */
export const http: Suite = {
  name: "http",
  about: "hash over HTTP on the real gateway, beside a bare Hono echo on the same runtime",
  async run({ folder, host, seconds, quick, say }) {
    say(`starting the gateway and the echo on ${host}`);
    const gateway = await startGateway(host, join(folder, "data"), 2);
    const echo = await startEcho(host);
    const headers = { "content-type": "application/json" };
    const echoRequest: BenchRequest = { method: "POST", path: PATH, headers, body: BODY };
    const runRequest = { ...echoRequest, headers: { ...headers, authorization: `Bearer ${gateway.key}` } };
    const [echoConnection, gatewayConnection] = [connect(echo.url), connect(gateway.url)];
    const sync = openSync(join(folder, "sync"), "w");
    const page = new Uint8Array(4096);
    try {
      const answer = await gatewayConnection.send(runRequest);
      requireCompleted(answer);
      say("a gateway that has just been started");
      const first: number[] = [];
      for (let i = 0; i < (quick ? 20 : FIRST); i++) {
        const before = performance.now();
        await gatewayConnection.send(runRequest);
        first.push(performance.now() - before);
      }

      say(`${CONNECTIONS} connections, turn by turn`);
      const turns = quick ? 1 : 5;
      const echoes: Saturation[] = [];
      const runs: Saturation[] = [];
      const spent = { gateway: 0, executors: 0, client: 0 };
      for (let turn = 0; turn < turns; turn++) {
        const options = { connections: CONNECTIONS, forMs: quick ? 300 : 2000 };
        echoes.push(await saturate(echo.url, echoRequest, options));
        const [before, own] = [await countProcessor(), process.cpuUsage()];
        runs.push(await saturate(gateway.url, runRequest, options));
        const [{ user, system }, after] = [process.cpuUsage(own), await countProcessor()];
        const alone = usedBetween(before, after, gateway.pid, true);
        spent.gateway += alone;
        spent.executors += usedBetween(before, after, gateway.pid) - alone;
        spent.client += (user + system) / 1000;
      }
      say(`one after another, ${seconds} s each`);
      const sequential = await compare(
        [
          { name: "hono echo", run: async () => void (await echoConnection.send(echoRequest)) },
          { name: RUN, run: async () => void (await gatewayConnection.send(runRequest)) },
          {
            name: "fdatasync of 4 KiB (a run makes one)",
            run() {
              writeSync(sync, page);
              fdatasyncSync(sync);
            },
          },
        ],
        planFor(2, seconds),
      );

      const concurrent: Row[] = [
        rowOf(
          "hono echo",
          echoes.flatMap(({ latencies }) => latencies),
        ),
        rowOf(
          RUN,
          runs.flatMap(({ latencies }) => latencies),
        ),
      ];
      const perSecond = (name: string, all: readonly Saturation[]): Figure => ({
        name,
        value: median(all.map((one) => one.perSecond)),
        unit: `runs/s, median of ${turns} turns`,
      });
      const count = runs.reduce((sum, { latencies }) => sum + latencies.length, 0);
      const perRun = (who: keyof typeof spent): Figure => ({
        name: `processor time for a run, ${CONNECTIONS} connections: ${who}`,
        value: spent[who] / count,
        unit: "ms",
      });
      return {
        tables: [
          {
            title: `one connection, the first ${first.length} requests of a gateway`,
            rows: [rowOf(RUN, first)],
          },
          {
            title: "one connection, one request after another, of servers that have served the above",
            rows: sequential,
          },
          { title: `${CONNECTIONS} connections, each with one request after another`, rows: concurrent },
        ],
        figures: [
          perSecond(`hono echo, ${CONNECTIONS} connections`, echoes),
          perSecond(`writ hash/fnv1a64, ${CONNECTIONS} connections`, runs),
          ...(["gateway", "executors", "client"] as const).map(perRun),
          { name: "request body", value: BODY.length, unit: "bytes" },
          { name: "answer with manifest", value: answer.length, unit: "bytes" },
        ],
        notes: [
          "client, servers and executors share the cores named in the result file; the gateway has 2 executors of one tenant",
        ],
      };
    } finally {
      closeSync(sync);
      await Promise.all([echoConnection.close(), gatewayConnection.close()]);
      await Promise.all([echo.stop(), gateway.stop()]);
    }
  },
};

/** Status 200 says that a run happened, not that it went well. */
function requireCompleted(text: string): void {
  const { outcome }: { outcome: { kind: string } } = JSON.parse(text);
  if (outcome.kind !== "completed") throw new Error(`The run ended as ${JSON.stringify(outcome)}`);
}
