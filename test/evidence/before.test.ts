/** What has to be durable before a seal: when it is not, nothing is released, and the run is sealed all the same. */
import { describe, expect, it } from "vitest";
import { predicateOf } from "../core/manifest/fixtures.ts";
import { noFaults } from "../support/sqlite.ts";
import { knownOf, testStorage, verifiedSeal } from "./support.ts";

describe("seal() with something before it", () => {
  it("releases nothing when that fails, and seals later what the run did", async () => {
    const storage = await testStorage();
    const gateway = await storage.start(noFaults());
    const predicate = { ...predicateOf(), journal_hash: `sha256:${"a".repeat(64)}` };
    await gateway.evidence.admit(knownOf(predicate));
    const failing = () => Promise.reject(new Error("disk full"));
    await expect(gateway.evidence.seal(predicate, [], failing)).rejects.toMatchObject({
      refusal: { code: "evidence-unavailable" },
    });
    expect((await gateway.store.findRun(predicate.tenant, predicate.run))?.seal).toBeUndefined();

    await gateway.evidence.reconcile(Number.NEGATIVE_INFINITY);
    const row = await gateway.store.findRun(predicate.tenant, predicate.run);
    expect(row && (await verifiedSeal(gateway, row))).toMatchObject({ journal_hash: predicate.journal_hash });
    await gateway.store.close();
    await storage.remove();
  });

  it("is done before the seal is there", async () => {
    const storage = await testStorage();
    const gateway = await storage.start(noFaults());
    const predicate = predicateOf();
    await gateway.evidence.admit(knownOf(predicate));
    await gateway.evidence.seal(predicate, [], async () => {
      expect((await gateway.store.findRun(predicate.tenant, predicate.run))?.seal).toBeUndefined();
    });
    expect((await gateway.store.findRun(predicate.tenant, predicate.run))?.seal).toBeDefined();
    await gateway.store.close();
    await storage.remove();
  });
});
