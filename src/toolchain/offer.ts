/**
 * The offer: world `offer` of `wit/` as a component binary.
 *
 * A component that imports everything this host serves and does nothing. Intake decodes it as it decodes any
 * component and compares imports with it, so the WIT text is written once and nothing is repeated in TypeScript.
 */
import { Buffer } from "node:buffer";
import { readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { componentEmbed, componentNew } from "@bytecodealliance/jco-transpile/wasm-tools";
import { composeWit, readWitLibrary } from "./wit-text.ts";

/**
 * Encodes the world `offer`.
 *
 * The same WIT gives the same bytes on both runtimes; they change with the version of the WebAssembly tools.
 *
 * @param root the project's folder, where `wit/` is
 * @returns a component binary, about 100 KB
 */
export async function buildOffer(root: string): Promise<Uint8Array> {
  const [host, ...deps] = await readWitLibrary(root);
  if (host === undefined) {
    throw new TypeError(`Cannot build the offer: no WIT package in "${root}"`);
  }
  const core = await componentEmbed({ witSource: composeWit(host, deps), world: "offer", dummy: true });
  return componentNew(core);
}

/**
 * Writes `wit/offer.wasm` when it is not what {@link buildOffer} gives.
 *
 * @returns its path, and whether it was written
 */
export async function writeOffer(root: string): Promise<{ path: string; written: boolean }> {
  const path = join(root, "wit", "offer.wasm");
  const bytes = await buildOffer(root);
  const before = await readFile(path).catch(() => null);
  if (before !== null && Buffer.compare(before, bytes) === 0) {
    return { path, written: false };
  }
  // A crash here leaves a stray file with another name, never half an offer.
  await writeFile(`${path}.tmp`, bytes);
  await rename(`${path}.tmp`, path);
  return { path, written: true };
}
