/** A manifest, checked by a tool that is not ours. */
import { spawnSync } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { decodeBase64, PAYLOAD_TYPE, pae } from "../../src/core/manifest/index.ts";
import { noFaults, temporaryFolder } from "../support/sqlite.ts";
import { completed, KEY, knownOf, testStorage, toPem } from "./support.ts";

const openssl = spawnSync("openssl", ["version"]);
const absent = openssl.status !== 0;
if (absent) console.warn("skipped: openssl is not installed, so no foreign tool checked a manifest");

it.skipIf(absent)("openssl verifies 20 sealed manifests, and refuses each with a byte changed", async () => {
  const storage = await testStorage();
  const folder = await temporaryFolder();
  const { evidence, store } = await storage.start(noFaults());
  const file = (name: string) => join(folder.path, name);
  const verify = () =>
    spawnSync("openssl", [
      "dgst",
      "-sha256",
      "-verify",
      file("key.pem"),
      "-signature",
      file("sig"),
      file("pae"),
    ]).stdout.toString();
  await writeFile(file("key.pem"), toPem("PUBLIC KEY", KEY.spki));
  for (let n = 0; n < 20; n++) {
    const predicate = completed(n);
    await evidence.admit(knownOf(predicate));
    const { dsseEnvelope } = (await evidence.seal(predicate, [])).bundle;
    const signed = pae(PAYLOAD_TYPE, decodeBase64(dsseEnvelope.payload) ?? expect.fail());
    await writeFile(file("sig"), decodeBase64(dsseEnvelope.signatures[0].sig) ?? expect.fail());
    await writeFile(file("pae"), signed);
    expect(verify()).toBe("Verified OK\n");
    signed[n * 7] = (signed[n * 7] ?? 0) ^ 1;
    await writeFile(file("pae"), signed);
    expect(verify()).not.toContain("OK");
  }
  await store.close();
  await storage.remove();
  await folder.remove();
});
