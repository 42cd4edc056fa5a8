/** What is in force, over one store and several gateways: each with its own folder, all with the store's word. */
import { join } from "node:path";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { runtime } from "#runtime";
import type { ComponentDescription } from "../../src/core/component/index.ts";
import type { ToolCommand } from "../../src/core/rollout/index.ts";
import type { Clock, Store } from "../../src/ports/index.ts";
import {
  type Board,
  commandTool,
  createBoard,
  holdRegistry,
  loadRegistry,
  type Registry,
  type RegistryHolder,
} from "../../src/registry/index.ts";
import { openStore } from "../../src/stores/index.ts";
import { temporaryFolder } from "../support/sqlite.ts";
import { assemble, createFiles, mathWat, policyText, readOffer, toolFolder } from "./support.ts";

let offer: ComponentDescription;
let math: Uint8Array<ArrayBuffer>;
/** The same with other bytes. */
let other: Uint8Array<ArrayBuffer>;
beforeAll(async () => {
  offer = await readOffer();
  math = await assemble(mathWat());
  other = await assemble(mathWat("", '(export "test:tiny/more@0.1.0" (instance $exported))'));
});

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let nowMs: number;
let closers: (() => Promise<void>)[];
beforeEach(async () => {
  folder = await temporaryFolder();
  nowMs = 1_000_000;
  closers = [];
});
afterEach(async () => {
  for (const close of closers.reverse()) await close();
  await folder.remove();
});

/** Moves when it is told to; what waits is done by hand. */
const clock: Clock = {
  nowMs: () => nowMs,
  monotonicMs: () => nowMs,
  after: () => () => undefined,
};

interface Gateway {
  readonly board: Board;
  readonly store: Store;
  readonly holder: RegistryHolder;
  readonly log: object[];
}

function registryOf(component: Uint8Array<ArrayBuffer>, changes = {}): Promise<Registry> {
  const files = createFiles({ ...toolFolder("a", component), "policies/a.json": policyText("a", changes) });
  return loadRegistry({ files, toolsFolder: "tools", policiesFolder: "policies", offer });
}

let gateways = 0;
/** A gateway with a connection of its own to the one database. */
async function open(component: Uint8Array<ArrayBuffer>, activateNew = true, changes = {}): Promise<Gateway> {
  const store = await openStore(runtime.openSqlite(join(folder.path, "writ.db")));
  const holder = holdRegistry(await registryOf(component, changes));
  const log: object[] = [];
  const gateway = `gw_${gateways++}`;
  const board = createBoard({
    ...{ offered: holder, versions: store.versions, clock, offer, gateway, activateNew },
    warm: async () => undefined,
    newActionId: newId,
    log: (line) => void log.push(line),
  });
  closers.push(async () => {
    await board.stop();
    // One test closes it itself.
    await store.close().catch(() => undefined);
  });
  await board.begin();
  return { board, store, holder, log };
}

let ids = 0;
const newId = () => `act_${String(ids++).padStart(26, "0")}`;
const RUN = { tenant: "acme", run: "run_1" };
const digestIn = ({ board }: Gateway, run = RUN) => board.current().choose("a", run)?.digest;
function command({ store }: Gateway, asked: ToolCommand) {
  return commandTool(store.versions, "a", asked, { id: newId(), atMs: nowMs, by: "test", note: "" });
}

describe("a board", () => {
  it("puts what its folder has in force, and takes over what another gateway brings", async () => {
    const one = await open(math);
    const first = digestIn(one);
    expect(first).toBe((await registryOf(math)).find("a")?.digest);
    const two = await open(other);
    expect(digestIn(two)).not.toBe(first);
    expect(digestIn(one)).toBe(first);
    await one.board.look();
    // From the store: its own folder never had it.
    expect(digestIn(one)).toBe(digestIn(two));
    expect(
      one.board
        .current()
        .find("a")
        ?.functions.map(({ key }) => key),
    ).toContain("more/add");
  });

  it("leaves a version that is known where the operator put it, whoever starts with it", async () => {
    const one = await open(math);
    await open(other);
    await command(one, { kind: "rollback" });
    const again = await open(other);
    await one.board.look();
    expect(digestIn(again)).toBe((await registryOf(math)).find("a")?.digest);
    expect(digestIn(one)).toBe(digestIn(again));
  });

  it("holds new versions where it is told to, and while a canary is looked at", async () => {
    const one = await open(math, false);
    const held = await open(other, false);
    expect(digestIn(held)).toBe(digestIn(one));
    await command(one, { kind: "canary", version: 2, basisPoints: 0, tenants: ["beta"] });
    const third = await open(math, true, { max_duration_ms: 999 });
    expect(digestIn(third)).toBe(digestIn(one));
    expect(digestIn(third, { tenant: "beta", run: "run_1" })).toBe(
      (await registryOf(other)).find("a")?.digest,
    );
  });

  it("takes over a folder that is read again", async () => {
    const one = await open(math);
    one.holder.replace(await registryOf(math, { max_duration_ms: 77 }));
    await one.board.look();
    expect(one.board.current().choose("a", RUN)?.policies[0]?.policy.max_duration_ms).toBe(77);
    expect((await one.store.versions.listVersions("a", 10)).map(({ number }) => number)).toEqual([2, 1]);
    await command(one, { kind: "rollback" });
    await one.board.look();
    expect(one.board.current().choose("a", RUN)?.policies[0]?.policy.max_duration_ms).toBe(1000);
  });

  it("leaves a version rolled back that another gateway's folder comes to later, and follows one that goes back", async () => {
    const one = await open(math);
    const late = await open(math);
    const [first, second] = [await registryOf(math), await registryOf(other)];
    const read = async (gateway: Gateway, registry: Registry) => {
      nowMs += 1_000;
      gateway.holder.replace(registry);
      await gateway.board.look();
      await late.board.look();
      return digestIn(late);
    };
    expect(await read(one, second)).toBe(second.find("a")?.digest);
    nowMs += 1_000;
    await command(one, { kind: "rollback" });
    // Its folder is written a moment later than the other's, with what was rolled back by now.
    expect(await read(late, second)).toBe(first.find("a")?.digest);
    expect(await read(late, first)).toBe(first.find("a")?.digest);
    // By now it has had both.
    expect(await read(late, second)).toBe(second.find("a")?.digest);
    expect(await read(late, first)).toBe(first.find("a")?.digest);
  });

  it("leaves an operator's choice alone where another gateway's folder goes back later than the first one's", async () => {
    const one = await open(math);
    const late = await open(math);
    const [first, second] = [await registryOf(math), await registryOf(other)];
    const read = async (gateway: Gateway, registry: Registry) => {
      nowMs += 1_000;
      gateway.holder.replace(registry);
      await gateway.board.look();
      return digestIn(gateway);
    };
    expect(await read(one, second)).toBe(second.find("a")?.digest);
    expect(await read(late, second)).toBe(second.find("a")?.digest);
    // The folder goes back, and the operator takes the newer one into force all the same.
    expect(await read(one, first)).toBe(first.find("a")?.digest);
    await command(one, { kind: "activate", version: 2 });
    expect(await read(late, first)).toBe(second.find("a")?.digest);
    expect(late.log).toContainEqual({ event: "version-held", tool: "a", version: 1, active: 2 });
    // Both had it; the next change is the operator's latest word, whoever sees it first.
    await read(one, second);
    expect(await read(late, second)).toBe(second.find("a")?.digest);
    expect(await read(late, first)).toBe(first.find("a")?.digest);
  });

  it("follows a folder that went and came back while nobody looked, once it can not be late any more", async () => {
    const one = await open(math);
    const other2 = await open(math);
    const [first, second] = [await registryOf(math), await registryOf(other)];
    const read = async (gateway: Gateway, registry: Registry) => {
      gateway.holder.replace(registry);
      await gateway.board.look();
      return digestIn(gateway);
    };
    await read(one, second);
    await read(one, first);
    await one.board.stop();
    // As far as it can know, this is what the other one's folder had before.
    await read(other2, await registryOf(math));
    nowMs += 300_000;
    expect(await read(other2, second)).toBe(second.find("a")?.digest);
  });

  it("refuses what is suspended, tells runs that began on what was in force before, and shows it all the same", async () => {
    const one = await open(math);
    const before = one.board.current();
    const told: string[] = [];
    const stop = before.onSuspended("a", () => told.push("ended before"));
    stop();
    before.onSuspended("a", (reason) => told.push(reason));
    await command(one, { kind: "suspend", reason: "leak" });
    await one.board.look();
    expect(told).toEqual(["leak"]);
    // Let in a moment before, and only now under way.
    before.onSuspended("a", (reason) => told.push(`late ${reason}`));
    expect(told).toEqual(["leak", "late leak"]);
    expect(() => one.board.current().choose("a", RUN)).toThrow(
      expect.objectContaining({
        refusal: { code: "tool-suspended", reason: "leak", since: "1970-01-01T00:16:40.000Z" },
      }),
    );
    expect(one.board.current().find("a")).toBeDefined();
    await command(one, { kind: "resume" });
    await one.board.look();
    expect(digestIn(one)).toBeDefined();
    one.board.current().onSuspended("a", (reason) => told.push(`again ${reason}`));
    await command(one, { kind: "suspend", reason: "leak" });
    await one.board.look();
    expect(told.at(-1)).toBe("again leak");
  });

  it("lets nothing begin on what it heard too long ago, unless the store says that it still holds", async () => {
    const one = await open(math);
    await command(one, { kind: "suspend", reason: "leak" });
    // A moment ago: what was in force then may be used.
    await one.board.fresh();
    expect(digestIn(one)).toBeDefined();
    nowMs += 701;
    await one.board.fresh();
    expect(() => digestIn(one)).toThrow(/suspended/);
    await one.store.close();
    nowMs += 701;
    await expect(one.board.fresh()).rejects.toMatchObject({ code: "evidence-unavailable" });
  });

  it("suspends a version that it can not restore, and goes on with the others", async () => {
    const one = await open(math);
    const database = runtime.openSqlite(join(folder.path, "writ.db"));
    await open(other);
    const { digest = "" } = (await registryOf(other)).find("a") ?? {};
    database.prepare("UPDATE components SET bytes = x'00' WHERE digest = ?").run([digest]);
    database.close();
    await one.board.look();
    expect(() => digestIn(one)).toThrow(
      expect.objectContaining({ refusal: expect.objectContaining({ reason: "version-unreadable" }) }),
    );
    expect(one.log).toContainEqual(expect.objectContaining({ event: "version-not-restored", version: 2 }));
    await command(one, { kind: "rollback" });
    await one.board.look();
    expect(digestIn(one)).toBe((await registryOf(math)).find("a")?.digest);
  });

  it("says what it has in force, and takes its leave", async () => {
    const one = await open(math);
    const two = await open(math);
    const done = await command(one, { kind: "suspend", reason: "leak" });
    if (done.kind !== "changed") throw new Error(done.kind);
    await one.board.look();
    const generations = async () =>
      (await one.store.versions.listGateways(0)).map(({ generation }) => generation >= done.generation);
    expect(await generations()).toEqual([true, false]);
    await two.board.look();
    expect(await generations()).toEqual([true, true]);
    await two.board.stop();
    expect(await generations()).toEqual([true]);
  });
});

describe("commandTool()", () => {
  it("does nothing for a rule when the state is no longer the one that it judged", async () => {
    const one = await open(math);
    const [row] = (await one.store.versions.states()).rows;
    await command(one, { kind: "suspend", reason: "leak" });
    const context = { id: newId(), atMs: nowMs, by: "rule:trap-rate", note: "" };
    expect(
      await commandTool(one.store.versions, "a", { kind: "suspend", reason: "x" }, context, row?.state),
    ).toMatchObject({ kind: "unchanged", state: { suspended: { reason: "leak" } } });
  });
});
