/** One gateway on SQLite, one on PostgreSQL, and three on the same PostgreSQL, turn by turn on one machine. */
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { runtime } from "#runtime";
import { startPostgres, type TestPostgres } from "../../support/postgres-server.ts";
import { hashAlone } from "../../support/small-tools.ts";
import { compare, planFor, rowOf } from "../harness.ts";
import { median } from "../stats.ts";
import type { Figure, Suite } from "../suite.ts";
import { type BenchRequest, connect, type Saturation, saturate } from "../support/client.ts";
import { countProcessor, usedBetween } from "../support/processor.ts";
import { type RunningServer, startGateway } from "../support/server.ts";

const PATH = "/v1/tools/hash/hash/fnv1a64";
const BODY = JSON.stringify({ input: { data: "aGVsbG8=" }, purpose: "benchmark" });
const CONNECTIONS = 24;

/** Kinds of processes, as the figures name them. */
const PARTS = ["client", "gateways", "executors", "PostgreSQL"] as const;

/** What came of loading a subject for a while. */
interface Turn extends Saturation {
  /** Share of all cores. */
  readonly idle: number;
  /** Processor time of each kind of process for each run, ms. */
  readonly used: Readonly<Record<(typeof PARTS)[number], number>>;
  /** Runs sealed by one commit; NaN where nobody counted. */
  readonly sealedTogether: number;
}

/** What is loaded together, and what it came to. */
interface Subject {
  readonly name: string;
  readonly gateways: readonly RunningServer[];
  readonly turns: Turn[];
}

/** The suite. */
export const many: Suite = {
  name: "many",
  about: "hash over HTTP: one gateway on SQLite and on PostgreSQL, and three gateways on one PostgreSQL",
  async run({ folder, host, seconds, quick, say }) {
    // On a disk: with its data in memory PostgreSQL would sync nothing.
    const postgres = await startPostgres({}, tmpdir());
    if (postgres === undefined) throw new Error("npm has no PostgreSQL for this machine");
    const tools = await hashAlone(folder);
    const start = (name: string, shared: boolean) =>
      startGateway(host, join(folder, name), 2, {
        tools,
        isolation: "process+permissions",
        ...(shared ? { "database-url": postgres.url(), keys: join(folder, "keys") } : {}),
      });
    const servers: RunningServer[] = [];
    try {
      say(`starting PostgreSQL, and four gateways on ${host}`);
      const onSqlite = await start("sqlite", false);
      servers.push(onSqlite);
      for (const name of ["first", "second", "third"]) servers.push(await start(name, true));
      const [, ...onPostgres] = servers;
      const key = onPostgres[0]?.key ?? "";
      const requestOf = (server: RunningServer): BenchRequest => {
        const authorization = `Bearer ${server.key || key}`;
        const headers = { "content-type": "application/json", authorization };
        return { method: "POST", path: PATH, headers, body: BODY };
      };

      say(`one after another, ${seconds} s each`);
      const [onFirst = onSqlite] = onPostgres;
      const [sqliteConnection, postgresConnection] = [connect(onSqlite.url), connect(onFirst.url)];
      const sequential = await compare(
        [
          { name: "SQLite", run: async () => void (await sqliteConnection.send(requestOf(onSqlite))) },
          {
            name: "PostgreSQL",
            run: async () => void (await postgresConnection.send(requestOf(onFirst))),
          },
        ],
        planFor(2, seconds),
      );
      await Promise.all([sqliteConnection.close(), postgresConnection.close()]);

      const subjects: readonly Subject[] = [
        { name: "one gateway on SQLite", gateways: [onSqlite], turns: [] },
        { name: "one gateway on PostgreSQL", gateways: onPostgres.slice(0, 1), turns: [] },
        { name: "three gateways on PostgreSQL", gateways: onPostgres, turns: [] },
      ];
      // All alike before any is counted: a gateway that was never loaded starts executors and compiles.
      const warmUp = { connections: 8, forMs: quick ? 100 : 1_500 };
      for (const server of servers) await saturate(server.url, requestOf(server), warmUp);
      const turns = quick ? 1 : 7;
      say(`${CONNECTIONS} connections, ${turns} turns of each`);
      for (let turn = 0; turn < turns; turn++)
        for (const { gateways, turns: own } of subjects)
          own.push(await load(gateways, requestOf, postgres, quick ? 300 : 1_500));

      const perSecond = ({ turns: own }: Subject) => median(own.map((one) => one.perSecond));
      const [, one, three] = subjects;
      return {
        tables: [
          { title: "one connection, one request after another", rows: sequential },
          {
            title: `${CONNECTIONS} connections in all, each with one request after another`,
            rows: subjects.map(({ name, turns: own }) =>
              rowOf(
                name,
                own.flatMap(({ latencies }) => latencies),
              ),
            ),
          },
        ],
        figures: [
          ...subjects.flatMap((subject): Figure[] => [
            { name: subject.name, value: perSecond(subject), unit: `runs/s, median of ${turns} turns` },
            {
              name: `${subject.name}: cores that had nothing to do`,
              value: median(subject.turns.map(({ idle }) => idle)) * 100,
              unit: `% of ${cpus().length}`,
            },
            ...PARTS.map((part) => ({
              name: `${subject.name}: ${part}`,
              value: median(subject.turns.map(({ used }) => used[part])),
              unit: "ms of processor time for each run",
            })),
            ...(subject.gateways[0] === onSqlite
              ? []
              : [
                  {
                    name: `${subject.name}: sealed by one commit`,
                    value: median(subject.turns.map(({ sealedTogether }) => sealedTogether)),
                    unit: "runs",
                  },
                ]),
          ]),
          {
            name: "three gateways over one, on PostgreSQL",
            value: one && three ? perSecond(three) / perSecond(one) : Number.NaN,
            unit: "times",
          },
        ],
        notes: [
          "client, PostgreSQL, gateways and executors share the cores: where none of them was idle, more gateways had nothing to run on",
          "every gateway has 2 executors; PostgreSQL has its own settings, and its data on a disk",
        ],
      };
    } finally {
      await Promise.all(servers.map((server) => server.stop()));
      await postgres.remove();
    }
  },
};

/** Loads gateways alike, all at once. */
async function load(
  gateways: readonly RunningServer[],
  requestOf: (server: RunningServer) => BenchRequest,
  postgres: TestPostgres,
  forMs: number,
): Promise<Turn> {
  const [counted, sealed, before] = [await countProcessor(), await countSeals(postgres), cpuTimes()];
  const connections = CONNECTIONS / gateways.length;
  const all = await Promise.all(
    gateways.map((server) => saturate(server.url, requestOf(server), { connections, forMs })),
  );
  const [countedAfter, sealedAfter, after] = [await countProcessor(), await countSeals(postgres), cpuTimes()];
  const runs = all.reduce((sum, { latencies }) => sum + latencies.length, 0);
  const used = (pid: number, alone?: boolean) => usedBetween(counted, countedAfter, pid, alone) / runs;
  const sum = (of: (server: RunningServer) => number) =>
    gateways.reduce((total, server) => total + of(server), 0);
  const alone = sum(({ pid }) => used(pid, true));
  return {
    used: {
      client: used(process.pid, true),
      gateways: alone,
      executors: sum(({ pid }) => used(pid)) - alone,
      PostgreSQL: used(postgres.pid ?? -1),
    },
    sealedTogether: (sealedAfter.seals - sealed.seals) / (sealedAfter.commits - sealed.commits),
    perSecond: all.reduce((sum, { perSecond }) => sum + perSecond, 0),
    latencies: all.flatMap(({ latencies }) => latencies),
    idle: (after.idle - before.idle) / (after.all - before.all),
  };
}

async function countSeals(
  postgres: TestPostgres,
): Promise<{ readonly seals: number; readonly commits: number }> {
  const server = await runtime.openPostgres(postgres.url());
  const connection = await server.connect();
  const [answer] = await connection.send([
    { text: "SELECT coalesce(max(size), 0) AS seals, count(*) AS commits FROM heads" },
  ]);
  connection.release();
  await server.close();
  return answer?.rows[0] as { readonly seals: number; readonly commits: number };
}

function cpuTimes(): { readonly idle: number; readonly all: number } {
  const times = cpus().map((cpu) => cpu.times);
  return {
    idle: times.reduce((sum, { idle }) => sum + idle, 0),
    all: times.reduce((sum, { idle, user, nice, sys, irq }) => sum + idle + user + nice + sys + irq, 0),
  };
}
