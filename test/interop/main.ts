/**
 * Our manifests before other people's verifiers: honest ones must be accepted and forged ones refused, with our
 * `trusted_root.json` and no flag that weakens anything. A verifier that is not installed is skipped, and said to be.
 *
 * Run: `node test/interop/main.ts [manifests]`; ends with 1 when a verifier disagrees.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runtime } from "#runtime";
import { makeSamples, type Samples } from "./samples.ts";
import { findCosign, findOpenssl, findOurs, findSigstoreJs, type Verifier } from "./verifiers.ts";
import { examineWitness } from "./witness.ts";

/** Forgeries that are about the log or the bundle alone: to a verifier of signatures nothing is wrong with them. */
const SIGNED = ["a flipped signature", "another manifest's payload", "another payload type"];

/** @returns what the verifier got wrong */
async function examine(verifier: Verifier, samples: Samples): Promise<readonly string[]> {
  const { trustedRootFile, foreignRootFile, blobFile, otherBlobFile, honest, forged } = samples;
  const faults: string[] = [];
  for (const [n, bundle] of honest.entries()) {
    if (!(await verifier.accepts({ bundle, trustedRootFile, blobFile })))
      faults.push(`refused manifest ${n}`);
  }
  const questions = forged
    .filter(({ name }) => verifier.knowsLogs || SIGNED.includes(name))
    .filter(({ redundant }) => verifier.readsAll || redundant !== true)
    .map(({ name, bundle }) => ({ name, bundle, trustedRootFile, blobFile }));
  const [bundle] = honest;
  if (verifier.knowsLogs)
    questions.push({ name: "a foreign log", bundle, trustedRootFile: foreignRootFile, blobFile });
  if (verifier.knowsBlobs)
    questions.push({ name: "another output", bundle, trustedRootFile, blobFile: otherBlobFile });
  for (const { name, ...question } of questions) {
    if (await verifier.accepts(question)) faults.push(`accepted ${name}`);
  }
  runtime.print(
    `${verifier.name}: ${honest.length} manifests, ${questions.length} forgeries; ${faults.length} wrong answers`,
  );
  return faults;
}

const folder = await mkdtemp(join(tmpdir(), "writ-interop-"));
try {
  const samples = await makeSamples(folder, Number(runtime.args[0] ?? 20));
  for (const find of [findOurs, findOpenssl, findSigstoreJs, findCosign]) {
    const verifier = await find(samples, folder);
    if (typeof verifier === "string") {
      runtime.print(`skipped: ${verifier}`);
      continue;
    }
    for (const fault of await examine(verifier, samples)) {
      runtime.print(`  ${fault}`);
      runtime.setExitCode(1);
    }
  }
  const witnessed = await examineWitness(folder);
  if (typeof witnessed === "string") runtime.print(`skipped: ${witnessed}`);
  else {
    for (const fault of witnessed) {
      runtime.print(`  ${fault}`);
      runtime.setExitCode(1);
    }
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}
