/** What a gateway does while its claims wait for one another: everything else. */
import { expect, it } from "vitest";
import { runtime } from "#runtime";
import type { PostgresConnection, PostgresServer } from "../../../src/ports/index.ts";
import { openPostgresStore } from "../../../src/stores/index.ts";
import { createLanes } from "../../../src/stores/postgres/lanes.ts";
import { claimsOf, OWNER, WINDOW } from "../../accounts/leases.ts";
import { postgresOfFile } from "../../support/postgres.ts";
import { intentOf, sealOf } from "./intents.ts";

const postgres = postgresOfFile();
/** More than a gateway has connections. */
const CLAIMS = 12;

it("admits, seals and reads while every claim waits for a row that another gateway holds", async () => {
  const url = await postgres.createSchema();
  const store = await openPostgresStore(await runtime.openPostgres(url));
  await store.recordIntent(intentOf(1), claimsOf(1));
  // Another gateway, in the middle of a transaction, which says nothing more for a while.
  const other = await runtime.openPostgres(url);
  const holder = await other.connect();
  await holder.send([
    { text: "BEGIN" },
    { text: "SET LOCAL idle_in_transaction_session_timeout = 0" },
    { text: "UPDATE budget_windows SET runs = runs" },
  ]);

  const claims = Array.from({ length: CLAIMS }, (_, n) =>
    store.recordIntent(intentOf(2 + n), claimsOf(2 + n)),
  );
  let settled = 0;
  for (const claim of claims) void claim.finally(() => settled++).catch(() => undefined);
  for (let n = 100; n < 103; n++) {
    await store.recordIntent(intentOf(n));
    await store.seal(sealOf(intentOf(n)));
    expect((await store.findRun("acme", intentOf(n).run))?.seal?.run).toBe(intentOf(n).run);
  }
  expect(settled).toBe(0);

  await holder.send([{ text: "ROLLBACK" }]);
  expect((await Promise.all(claims)).map(({ kind }) => kind)).toEqual(Array(CLAIMS).fill("ok"));
  expect((await store.accounts.heldOf(OWNER, WINDOW))?.runs).toBe(CLAIMS + 1);
  holder.release();
  await other.close();
  await store.close();
});

it("serves whoever waits for a connection in order, and refuses who waited long enough", async () => {
  const lent: PostgresConnection = { send: async () => [], release: () => undefined };
  const server: PostgresServer = { connections: 4, connect: async () => lent, close: async () => undefined };
  const { claiming, sealing } = createLanes(server, 2);
  const first = await claiming.connect();
  const order: string[] = [];
  const use = async (name: string) => {
    const connection = await claiming.connect();
    order.push(name);
    connection.release();
  };
  const waiting = [use("a"), use("b"), use("c")];
  (await sealing.connect()).release();
  expect(order).toEqual([]);
  first.release();
  await Promise.all(waiting);
  expect(order).toEqual(["a", "b", "c"]);

  const held = await claiming.connect();
  await expect(claiming.connect()).rejects.toMatchObject({
    message: expect.stringContaining("connections for claiming (1) were in use for 0.2 s"),
    code: "evidence-unavailable",
  });
  held.release();
  (await claiming.connect()).release();
});
