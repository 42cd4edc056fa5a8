/**
 * The verifiers that need nothing but npm, in short: ours, the independent one and Sigstore's library agree about honest
 * manifests and refuse every class of forgery. `main.ts` asks more, and more of them.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { temporaryFolder } from "../support/sqlite.ts";
import { MUTATIONS } from "./mutations.ts";
import { makeSamples, type Samples } from "./samples.ts";
import { findIndependent, findOurs, findSigstoreJs, type Verifier } from "./verifiers.ts";

const EACH = 8;

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let samples: Samples;
beforeAll(async () => {
  folder = await temporaryFolder();
  samples = await makeSamples(folder.path, 16);
});
afterAll(() => folder.remove());

it("there are at least 20 classes of forgeries", () => {
  expect(new Set(MUTATIONS.map(({ name }) => name)).size).toBeGreaterThanOrEqual(20);
});

for (const [name, find] of Object.entries({ findOurs, findIndependent, findSigstoreJs })) {
  describe(name, () => {
    let verifier: Verifier;
    beforeAll(async () => {
      const found = await find(samples, folder.path);
      verifier = typeof found === "string" ? expect.fail(found) : found;
    });
    const files = () => ({ trustedRootFile: samples.trustedRootFile, blobFile: samples.blobFile });

    it("accepts honest manifests", async () => {
      for (const bundle of samples.honest) expect(await verifier.accepts({ bundle, ...files() })).toBe(true);
    });

    it("refuses every class of forgery that it can see", async () => {
      const accepted: string[] = [];
      for (const { name: forgery, seenBy, forge } of MUTATIONS) {
        if (!verifier.sees.includes(seenBy)) continue;
        for (let n = 0; n < EACH; n++) {
          if (await verifier.accepts({ bundle: await forge(samples, n), ...files() })) accepted.push(forgery);
        }
      }
      expect(accepted).toEqual([]);
    });
  });
}
