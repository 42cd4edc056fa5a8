/**
 * Our manifests before other people's verifiers: honest ones must be accepted and forged ones refused, with our
 * `trusted_root.json` and no flag that weakens anything. A verifier that is not installed is skipped, and said to be.
 *
 * Run: `node test/interop/main.ts [manifests] [forgeries of each class]`; ends with 1 when a verifier disagrees.
 */
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runtime } from "#runtime";
import { removeFolder } from "../support/folder.ts";
import { examineExport } from "./export.ts";
import { MUTATIONS } from "./mutations.ts";
import { makeSamples, type Samples } from "./samples.ts";
import {
  findCosign,
  findIndependent,
  findOpenssl,
  findOurs,
  findSigstoreJs,
  type Verifier,
} from "./verifiers.ts";
import { examineWitness } from "./witness.ts";

/** A verifier that is a process for each question is asked this many of each. */
const FEW = 2;

/** @returns what the verifier got wrong */
async function examine(verifier: Verifier, samples: Samples, each: number): Promise<readonly string[]> {
  const { trustedRootFile, foreignRootFile, blobFile, otherBlobFile } = samples;
  const files = { trustedRootFile, blobFile };
  const honest = verifier.isSlow ? samples.honest.slice(0, 10 * FEW) : samples.honest;
  const faults: string[] = [];
  for (const [n, bundle] of honest.entries()) {
    if (!(await verifier.accepts({ bundle, ...files }))) faults.push(`refused manifest ${n}`);
  }
  let asked = 0;
  const classes = MUTATIONS.filter(({ seenBy }) => verifier.sees.includes(seenBy));
  for (const { name, forge } of classes) {
    for (let n = 0; n < (verifier.isSlow ? FEW : each); n++) {
      asked++;
      const bundle = await forge(samples, n);
      if (await verifier.accepts({ bundle, ...files })) faults.push(`accepted ${name}, number ${n}`);
    }
  }
  const [bundle] = honest;
  if (
    verifier.sees.includes("log") &&
    (await verifier.accepts({ bundle, ...files, trustedRootFile: foreignRootFile }))
  )
    faults.push("accepted a foreign log");
  if (verifier.knowsBlobs && (await verifier.accepts({ bundle, ...files, blobFile: otherBlobFile })))
    faults.push("accepted another output");
  runtime.print(
    `${verifier.name}: ${honest.length} manifests, ${asked} forgeries of ${classes.length} classes; ${faults.length} wrong answers`,
  );
  return faults;
}

const folder = await mkdtemp(join(tmpdir(), "writ-interop-"));
try {
  const samples = await makeSamples(folder, Number(runtime.args[0] ?? 40));
  const each = Number(runtime.args[1] ?? 50);
  for (const find of [findOurs, findIndependent, findOpenssl, findSigstoreJs, findCosign]) {
    const verifier = await find(samples, folder);
    if (typeof verifier === "string") {
      runtime.print(`skipped: ${verifier}`);
      continue;
    }
    for (const fault of await examine(verifier, samples, each)) {
      runtime.print(`  ${fault}`);
      runtime.setExitCode(1);
    }
  }
  for (const examineMore of [examineWitness, examineExport]) {
    const found = await examineMore(folder);
    if (typeof found === "string") runtime.print(`skipped: ${found}`);
    else {
      for (const fault of found) {
        runtime.print(`  ${fault}`);
        runtime.setExitCode(1);
      }
    }
  }
} finally {
  await removeFolder(folder);
}
