/** What every VersionStore must do. Called by implementations with a way to open themselves. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { firstState, type ToolState } from "../../../src/core/rollout/index.ts";
import type { Store, ToolAction } from "../../../src/ports/index.ts";
import { commandTool, createRegistry, Offers, type Tool } from "../../../src/registry/index.ts";
import { arm, type Faults, noFaults } from "../../support/sqlite.ts";
import { intentOf, sealOf } from "./intents.ts";
import type { StoreSubject } from "./store.suite.ts";

const BYTES = new TextEncoder().encode("component");
const BY = { by: "cli", note: "" };
let actions = 0;
const newId = () => `act_${String(actions++).padStart(26, "0")}`;

function versionOf(n: number, tool = "hash") {
  return {
    tool,
    digest: `sha256:${n}`,
    component: `sha256:c${n % 2}`,
    document: `{"n":${n}}`,
    seenAtMs: 10 + n,
  };
}

/** A tool that nothing runs: what is offered of it is its digest. */
function toolOf(n: number): Tool {
  const bytes = Uint8Array.of(n);
  const component = { digest: `${n}`, bytes, imports: [], exports: [] };
  return {
    ...{ name: "hash", description: "", digest: `sha256:${n}`, functions: [], imports: [], needs: [] },
    ...{ component, policies: [] },
  };
}

function first(number: number, state: ToolState | undefined): ToolState | undefined {
  return state === undefined ? firstState("hash", number, 10) : undefined;
}

/** Declares the suite. */
export function versionsSuite(name: string, createSubject: () => Promise<StoreSubject>): void {
  describe(`VersionStore contract: ${name}`, () => {
    let subject: StoreSubject;
    let faults: Faults;
    let store: Store;
    beforeEach(async () => {
      subject = await createSubject();
      faults = noFaults();
      store = await subject.open(faults);
    });
    afterEach(async () => {
      await store.close().catch(() => undefined);
      await subject.remove();
    });
    const record = (n: number, decide = first) =>
      store.versions.record(versionOf(n), BYTES, decide, { id: newId(), ...BY });
    const stateOf = async () => (await store.versions.states()).rows[0];
    function actionOn(before: ToolState, after: ToolState): ToolAction & { before: ToolState } {
      return { id: newId(), tool: "hash", atMs: 50, kind: "activate", ...BY, before, after };
    }

    it("numbers versions in the order of their coming, each digest once", async () => {
      expect(await record(1)).toEqual({ version: { ...versionOf(1), number: 1 }, isNew: true });
      expect(await record(2)).toMatchObject({ version: { number: 2 }, isNew: true });
      expect(await record(1)).toMatchObject({ version: { number: 1 }, isNew: false });
      const other = await store.versions.record(versionOf(1, "text"), BYTES, () => undefined, {
        id: newId(),
        ...BY,
      });
      expect(other.version.number).toBe(1);
      expect((await store.versions.listVersions("hash", 10)).map(({ number }) => number)).toEqual([2, 1]);
      expect((await store.versions.listVersions("hash", 1)).map(({ number }) => number)).toEqual([2]);
      expect((await store.versions.listVersions("hash", 10, 2)).map(({ number }) => number)).toEqual([1]);
      expect(await store.versions.findVersion("hash", 3)).toBeUndefined();
      expect(await store.versions.findComponent("sha256:c1")).toEqual(Uint8Array.from(BYTES));
      expect(await store.versions.findComponent("sha256:none")).toBeUndefined();
    });

    it("gives each of many that come at once a number of its own, and one state", async () => {
      await Promise.all(Array.from({ length: 20 }, (_, n) => record(n % 10)));
      const versions = await store.versions.listVersions("hash", 100);
      expect(versions.map(({ number }) => number).toSorted((a, b) => a - b)).toEqual([
        1, 2, 3, 4, 5, 6, 7, 8, 9, 10,
      ]);
      expect(await stateOf()).toMatchObject({ state: { active: 1 }, revision: 1 });
    });

    it("raises the generation with every change, and with nothing else", async () => {
      const seen = [await store.versions.generation()];
      const step = async (does: () => Promise<unknown>) => {
        await does();
        seen.push(await store.versions.generation());
      };
      await step(() => record(1));
      await step(() => record(1));
      const { state, revision } = (await stateOf()) ?? { state: firstState("", 0, 0), revision: 0 };
      await step(() => store.versions.change(revision, actionOn(state, { ...state, active: 9 })));
      await step(() => store.versions.change(revision, actionOn(state, { ...state, active: 8 })));
      await step(() => store.versions.acknowledge({ gateway: "a", generation: 1, seenAtMs: 1 }));
      expect(seen).toEqual([0, 1, 1, 2, 2, 2]);
    });

    it("lets one of many changes from one state through, and remembers that one alone", async () => {
      await record(1);
      const { state, revision } = (await stateOf()) ?? { state: firstState("", 0, 0), revision: 0 };
      const done = await Promise.all(
        Array.from({ length: 10 }, (_, n) =>
          store.versions.change(revision, actionOn(state, { ...state, active: n + 10 })),
        ),
      );
      expect(done.filter(Boolean)).toHaveLength(1);
      const after = await stateOf();
      expect(after).toMatchObject({ revision: revision + 1, state: { active: done.indexOf(true) + 10 } });
      const kept = await store.versions.listActions("hash", 10);
      expect(kept.map(({ kind }) => kind)).toEqual(["activate", "record"]);
      expect(kept[0]?.after).toEqual(after?.state);
    });

    it("knows which actions the log does not have, and how long each took, once", async () => {
      await record(1);
      await record(2);
      const unsigned = await store.versions.unsignedActions(10);
      expect(unsigned.map(({ kind }) => kind)).toEqual(["record", "record"]);
      const [one, two] = unsigned;
      const intent = { ...intentOf(1, ""), run: one?.id ?? "" };
      await store.recordRefusal(intent, { ...sealOf(intent), run: intent.run });
      expect((await store.versions.unsignedActions(10)).map(({ id }) => id)).toEqual([two?.id]);
      await store.versions.settleAction(one?.id ?? "", 120);
      await store.versions.settleAction(one?.id ?? "", 999);
      const [newest, oldest] = await store.versions.listActions(undefined, 10);
      expect([newest?.settledMs, oldest?.settledMs]).toEqual([undefined, 120]);
      expect((await store.versions.listActions(undefined, 10, newest?.id)).map(({ id }) => id)).toEqual([
        one?.id,
      ]);
      expect(await store.versions.listActions("text", 10)).toEqual([]);
    });

    it("knows the gateways that were seen since", async () => {
      await store.versions.acknowledge({ gateway: "a", generation: 1, seenAtMs: 100 });
      await store.versions.acknowledge({ gateway: "b", generation: 1, seenAtMs: 200 });
      await store.versions.acknowledge({ gateway: "a", generation: 2, seenAtMs: 300 });
      expect(await store.versions.listGateways(250)).toEqual([
        { gateway: "a", generation: 2, seenAtMs: 300 },
      ]);
      expect(await store.versions.listGateways(0)).toHaveLength(2);
      await store.versions.forget("a");
      expect((await store.versions.listGateways(0)).map(({ gateway }) => gateway)).toEqual(["b"]);
    });

    it("lets an operator's choice stand between two folders that go back one after the other", async () => {
      let now = 1_000;
      const folder = (gateway: string) => {
        const clock = { nowMs: () => now++, monotonicMs: () => now, after: () => () => undefined };
        const log = () => undefined;
        const rest = { gateway, activateNew: true, newActionId: newId, log };
        const offers = new Offers({ versions: store.versions, clock, ...rest });
        return (n: number) => offers.offer(createRegistry([toolOf(n)]));
      };
      const [one, late] = [folder("one"), folder("late")];
      const active = async () => (await stateOf())?.state.active;
      await one(1);
      await late(1);
      // Both at once: what one wrote the other sees, and nothing is noted twice.
      await Promise.all([one(2), late(2)]);
      expect(await active()).toBe(2);
      await one(1);
      expect(await active()).toBe(1);
      const context = { id: newId(), atMs: now, by: "cli", note: "" };
      await commandTool(store.versions, "hash", { kind: "activate", version: 2 }, context);
      await late(1);
      expect((await stateOf())?.state).toMatchObject({
        active: 2,
        folders: { count: 3, versions: [1, 2, 1] },
      });
      // A change that fails is done again, once.
      arm(faults, 1);
      await expect(one(2)).rejects.toThrow();
      arm(faults, undefined);
      await one(2);
      await Promise.all([one(1), late(2)]);
      await late(1);
      expect((await stateOf())?.state).toMatchObject({
        active: 1,
        folders: { count: 5, versions: [1, 2, 1, 2, 1] },
      });
    });

    it("survives a restart, and is whole or absent at every failing step", async () => {
      await record(1);
      const steps = await countSteps(() => record(2));
      for (let step = 1; step <= steps; step++) {
        arm(faults, step);
        await expect(record(step + 2)).rejects.toThrow();
        arm(faults, undefined);
        const versions = await store.versions.listVersions("hash", 100);
        expect(versions.map(({ number }) => number)).toEqual([2, 1]);
        expect(await store.versions.listActions(undefined, 10)).toHaveLength(2);
        expect(await stateOf()).toMatchObject({ state: { active: 1 }, revision: 1 });
      }
      await store.close();
      store = await subject.open(faults);
      expect(await record(99)).toMatchObject({ version: { number: 3 } });
    });

    async function countSteps(write: () => Promise<unknown>): Promise<number> {
      arm(faults, undefined);
      await write();
      return faults.writes;
    }
  });
}
