/** The guest that does nothing but GET: what benches time and outages meet. A few kilobytes, so it is prepared in no time. */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { componentEmbed, componentNew } from "@bytecodealliance/jco-transpile/wasm-tools";
import { sha256Hex } from "../../src/core/digest.ts";
import { composeWit, readWitLibrary } from "../../src/toolchain/wit-text.ts";
import { PROJECT } from "./gateway.ts";

/**
 * @returns it as a component, with `fetch: func(authority, path, times) -> u64`, and `fetch-over-tls` likewise; a request that
 *   fails is a trap
 */
export function getGuest(): Promise<Uint8Array<ArrayBuffer>> {
  return programGuest("fetch", "bench:fetch");
}

/** @returns one with `exchange: func(authority, path, seed, bytes, piece) -> u32`; see `bodies.c` */
export function bodiesGuest(): Promise<Uint8Array<ArrayBuffer>> {
  return programGuest("bodies", "test:bodies");
}

/** @param id of the package that `<name>.wit` says it is */
async function programGuest(name: string, id: string): Promise<Uint8Array<ArrayBuffer>> {
  const place = `${PROJECT}/test/bench/programs/${name}`;
  const text = await readFile(`${place}.wit`, "utf8");
  const witSource = composeWit(
    { id, body: text.replace(`package ${id};`, "") },
    await readWitLibrary(PROJECT),
  );
  const binary = new Uint8Array(await readFile(`${place}.wasm`));
  const embedded = await componentEmbed({ binary, witSource, world: `${name}-world` });
  return new Uint8Array(await componentNew(embedded, []));
}

/**
 * Writes it as a tool with its policy, as a tools folder has them.
 *
 * @param folder the tools folder
 * @param port of 127.0.0.1, the only place that it may ask
 * @param more of the policy
 */
export async function writeGetTool(
  folder: string,
  name: string,
  port: number,
  more: object = {},
): Promise<void> {
  const place = join(folder, name);
  await mkdir(place, { recursive: true });
  const component = await getGuest();
  await writeFile(join(place, "fetch.wasm"), component);
  const digest = `sha256:${sha256Hex(component)}`;
  const file = { name, description: "GETs", engine: "c", component: "fetch.wasm", digest, functions: {} };
  await writeFile(join(place, "tool.json"), JSON.stringify(file));
  const policy = {
    ...{ tool_id: name, tenant_tier: ["free", "pro"], purpose: ["demo"], max_duration_ms: 60_000 },
    functions: { fetch: { operation: "read" } },
    network_allowlist: [{ host: "127.0.0.1", scheme: "http", port, methods: ["GET"], paths: ["/*"] }],
    budget: {
      ...{ fuel: 1e8, memory_bytes: "4MiB", egress_bytes: "64KiB", requests: 8 },
      ...{ output_bytes: "1KiB", log_bytes: 0 },
    },
    ...more,
  };
  await writeFile(join(place, "policy.yaml"), JSON.stringify(policy));
}
