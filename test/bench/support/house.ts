/** A whole gateway in this process, built from its rooms as `compose.ts` does, with room for a stop-watch between them. */

import { join } from "node:path";
import { runtime } from "#runtime";
import { createBroker } from "../../../src/broker/index.ts";
import { VERSION } from "../../../src/compose.ts";
import type { Principal } from "../../../src/core/policy/index.ts";
import { createEvidence, openObserver } from "../../../src/evidence/index.ts";
import { createGateway, type Gateway } from "../../../src/gateway/index.ts";
import { createApp } from "../../../src/http/index.ts";
import { createIdentity, openNoteSigner, openSigner } from "../../../src/identity/index.ts";
import type { ExecutorProcess, SqliteDatabase, Store, TelemetrySink } from "../../../src/ports/index.ts";
import { holdRegistry, type Registry } from "../../../src/registry/index.ts";
import { createSandbox } from "../../../src/sandbox/index.ts";
import { openStore } from "../../../src/stores/index.ts";
import { openAccounts, openJournals } from "../../../src/wiring/index.ts";
import { actOfTest } from "../../support/key-act.ts";
import { StopWatch } from "./clocked.ts";

/** The gateway and what a bench needs to reach into. */
export interface BenchHouse {
  readonly gateway: Gateway;
  readonly app: { fetch(request: Request): Response | Promise<Response> };
  readonly store: Store;
  readonly key: string;
  readonly principal: Principal;
  readonly watch: StopWatch;
  close(): Promise<void>;
}

/**
 * Opens one on a folder.
 *
 * @param books `bare`: nothing is settled or entered in the ledger
 * @param sinksOf who is told of runs
 */
export async function openBenchHouse(
  folder: string,
  registry: Registry,
  executors = 1,
  books: "kept" | "bare" = "kept",
  sinksOf: (store: Store) => readonly TelemetrySink[] = () => [],
): Promise<BenchHouse> {
  const { clock, entropy } = runtime;
  const watch = new StopWatch();
  const files = watch.around(runtime.files, { read: "    files.read of the prepared component" });
  const signer = watch.around(
    await openSigner({
      files: runtime.files,
      clock,
      signing: runtime.signing,
      path: join(folder, "manifest.pem"),
    }),
    {
      sign: "    signer.sign (ECDSA, DER)",
    },
  );
  const database = timedDatabase(runtime.openSqlite(join(folder, "writ.sqlite")), watch);
  const store = watch.around(await openStore(database), {
    findKey: "    store.findKey",
    recordIntent: "    store.recordIntent (insert, commit, sync)",
    seal: "    store.seal (insert, commit, sync)",
  });
  const sandbox = watch.around(
    await createSandbox({
      clock,
      entropy,
      files,
      spawn: (role) => timedExecutor(runtime.spawnExecutor(role), watch),
      cacheFolder: join(folder, "cache"),
      executors,
      queue: 1000,
    }),
    { run: "  sandbox.run" },
  );
  const identity = createIdentity({ store, clock, entropy });
  const noteSigner = watch.around(
    await openNoteSigner({
      clock,
      files: runtime.files,
      signing: runtime.signing,
      path: join(folder, "checkpoint.pem"),
      origin: "log.example",
    }),
    { sign: "    noteSigner.sign" },
  );
  const accounts = openAccounts(runtime, folder, store);
  const evidence = watch.around(
    createEvidence({
      ...{ store, signer, noteSigner, clock },
      ...(books === "bare" ? {} : { settle: accounts.settlementOf }),
    }),
    {
      admit: "  evidence.admit",
      seal: "  evidence.seal",
    },
  );
  const observing = await openObserver({
    clock,
    open: (name) => runtime.openAppend(join(folder, "observer", name)),
    onError: () => undefined,
  });
  const broker = watch.around(
    createBroker({ clock, resolver: runtime.resolver, profiles: new Map(), egress: { allowAddresses: [] } }),
    { openRun: "  broker.openRun" },
  );
  const versions = { host: `${runtime.name} ${runtime.version}`, writ: VERSION };
  const gateway = watch.around(
    createGateway({
      registry: holdRegistry(registry),
      identity,
      broker,
      sandbox,
      evidence,
      journals: openJournals(runtime, folder, store),
      accounts,
      observer: watch.around(observing.observer, { admitted: "  observer.admitted" }),
      store,
      signer,
      noteSigner,
      clock,
      entropy,
      versions,
      sinks: sinksOf(store),
      diagnose: () => undefined,
    }),
    { authenticate: "  gateway.authenticate", invoke: "gateway.invoke" },
  );
  const app = createApp(gateway, {
    version: VERSION,
    baseUrl: "http://127.0.0.1",
    clock,
    entropy,
    log: () => undefined,
  });
  const issued =
    (await identity.bootstrapKey(actOfTest)) ??
    (await identity.issueKey(
      { tenant: "default", tier: "free", scopes: ["invoke", "evidence"], label: "bench" },
      actOfTest,
    ));
  return {
    gateway,
    app,
    store,
    key: issued.text,
    principal: await identity.authenticate(`Bearer ${issued.text}`),
    watch,
    async close() {
      await sandbox.close();
      await observing.close();
      await store.close();
    },
  };
}

/** Only the commit is timed: it is the sync to disk. */
function timedDatabase(database: SqliteDatabase, watch: StopWatch): SqliteDatabase {
  return {
    prepare: (sql) => database.prepare(sql),
    exec(sql) {
      if (sql === "COMMIT") watch.time("      COMMIT (sync to disk), two per run", () => database.exec(sql));
      else database.exec(sql);
    },
    close: () => database.close(),
  };
}

/** Command written → first bytes of the report: the executor's whole part, and the two pipes. */
function timedExecutor(process: ExecutorProcess, watch: StopWatch): ExecutorProcess {
  let writtenAt: number | undefined;
  async function* timed(): AsyncGenerator<Uint8Array> {
    for await (const chunk of process.output) {
      if (writtenAt !== undefined)
        watch.add("    pipe, guest, pipe (command written → report read)", performance.now() - writtenAt);
      writtenAt = undefined;
      yield chunk;
    }
  }
  return {
    ...process,
    output: timed(),
    write(bytes) {
      writtenAt = performance.now();
      return process.write(bytes);
    },
  };
}
