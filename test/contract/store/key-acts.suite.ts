/** What every KeyActStore must do. Called by implementations with a way to open themselves. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { KeyAct, KeyRow, Store } from "../../../src/ports/index.ts";
import { actOfTest } from "../../support/key-act.ts";
import { arm, type Faults, noFaults } from "../../support/sqlite.ts";
import { intentOf, sealOf } from "./intents.ts";
import type { StoreSubject } from "./store.suite.ts";

const keyOf = (n: number): KeyRow => ({
  ...{ id: `key_0000000${n}`, hash: `${n}`, tenant: "acme", tier: "free", scopes: ["invoke"] },
  ...{ createdAtMs: n, label: "ci" },
});

/** Declares the suite. */
export function keyActsSuite(name: string, createSubject: () => Promise<StoreSubject>): void {
  describe(`KeyActStore contract: ${name}`, () => {
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
    const revocation = (): KeyAct => ({ ...actOfTest(), kind: "revoke-key", atMs: 70 });
    const unsigned = async () => (await store.keyActs.unsigned(10)).map(({ id }) => id);

    it("keeps a key with what is to be signed of it, until the log has that", async () => {
      const generation = await store.versions.generation();
      const [issued, revoked] = [actOfTest(), revocation()];
      await store.keyActs.issue(keyOf(1), issued);
      expect(await store.findKey("1")).toEqual(keyOf(1));
      expect(await store.keyActs.revoke("key_00000001", revoked)).toBe(true);
      expect(await store.findKey("1")).toEqual({ ...keyOf(1), revokedAtMs: 70 });
      expect(await store.keyActs.unsigned(10)).toEqual([issued, revoked]);
      expect(await store.keyActs.unsigned(1)).toEqual([issued]);
      // Gateways look when this has grown.
      expect(await store.versions.generation()).toBe(generation + 2);
      const intent = { ...intentOf(1, ""), run: issued.id };
      await store.recordRefusal(intent, { ...sealOf(intent), run: issued.id });
      expect(await unsigned()).toEqual([revoked.id]);
    });

    it("remembers nothing of a key that is not there, and no second key or act of a name", async () => {
      expect(await store.keyActs.revoke("key_00000001", revocation())).toBe(false);
      const act = actOfTest();
      await store.keyActs.issue(keyOf(1), act);
      await expect(store.keyActs.issue(keyOf(1), actOfTest())).rejects.toThrow();
      await expect(store.keyActs.issue(keyOf(2), act)).rejects.toThrow();
      expect(await store.findKey("2")).toBeUndefined();
      expect(await unsigned()).toEqual([act.id]);
    });

    it("is whole or absent at every failing step", async () => {
      const act = actOfTest();
      arm(faults, undefined);
      await store.keyActs.issue(keyOf(1), act);
      for (let step = 1, { writes } = faults; step <= writes; step++) {
        arm(faults, step);
        await expect(store.keyActs.issue(keyOf(2), actOfTest())).rejects.toThrow();
        arm(faults, undefined);
        expect(await store.findKey("2")).toBeUndefined();
        expect(await unsigned()).toEqual([act.id]);
      }
    });
  });
}
