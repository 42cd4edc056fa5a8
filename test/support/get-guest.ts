/** The guest that does nothing but GET: what benches time and outages meet. A few kilobytes, so it is prepared in no time. */
import { readFile } from "node:fs/promises";
import { componentEmbed, componentNew } from "@bytecodealliance/jco-transpile/wasm-tools";
import { composeWit, readWitLibrary } from "../../src/toolchain/wit-text.ts";
import { PROJECT } from "./gateway.ts";

/** @returns it as a component, with `fetch: func(authority, path, times) -> u64`; a request that fails is a trap */
export async function getGuest(): Promise<Uint8Array<ArrayBuffer>> {
  const text = await readFile(`${PROJECT}/test/bench/programs/fetch.wit`, "utf8");
  const witSource = composeWit(
    { id: "bench:fetch", body: text.replace("package bench:fetch;", "") },
    await readWitLibrary(PROJECT),
  );
  const binary = new Uint8Array(await readFile(`${PROJECT}/test/bench/programs/fetch.wasm`));
  const embedded = await componentEmbed({ binary, witSource, world: "fetch-world" });
  return new Uint8Array(await componentNew(embedded, []));
}
