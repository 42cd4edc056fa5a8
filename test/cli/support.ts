/** The command line in this process: what it printed, with what it ended, and a world that a test can change. */

import { mkdir, mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { runtime } from "#runtime";
import { type CliWorld, runCli } from "../../src/cli/index.ts";
import { readOffer } from "../../src/compose.ts";
import { openKeys, openLocalGateway, openLog } from "../../src/local.ts";
import {
  askGateway,
  makeKeys,
  openBooks,
  openRecords,
  openReplayer,
  openReport,
  openSignerService,
  openTools,
  rotateJournalKeys,
  rotateKeys,
} from "../../src/wiring/index.ts";
import { removeFolder } from "../support/folder.ts";
import { shareCache } from "../support/shared-cache.ts";

/** The project's folder. */
export const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** A built sample tool's component. */
export function builtTool(name: string): string {
  return join(ROOT, ".writ", "tools", name, `${name}.wasm`);
}

/** What a command line did. */
export interface Ended {
  readonly code: number;
  /** Standard output. */
  readonly out: string;
  /** Standard error. */
  readonly err: string;
}

/** What may differ from the real world. */
export interface WorldChanges extends Partial<Omit<CliWorld, "runtime">> {
  readonly env?: Readonly<Record<string, string>>;
  readonly onStopSignal?: (action: () => void) => void;
}

/**
 * Runs a command line with the real rooms, on the real file system, without the process's environment.
 *
 * @param changes members of the world to replace; a server and a toolchain are there only if a test brings them
 */
export async function cli(args: readonly string[], changes: WorldChanges = {}): Promise<Ended> {
  const { env = {}, onStopSignal = () => undefined, ...rest } = changes;
  const out: string[] = [];
  const err: string[] = [];
  const unexpected = (what: string) => () => Promise.reject(new TypeError(`${what} was not expected`));
  const world: CliWorld = {
    runtime: {
      ...runtime,
      print: (line) => void out.push(line),
      printError: (line) => void err.push(line),
      env: (name) => env[name],
      onStopSignal,
      onReloadSignal: () => undefined,
    },
    version: "1.2.3",
    root: ROOT,
    terminal: { isTty: false, columns: 80 },
    readStdin: unexpected("standard input"),
    startServer: unexpected("a server"),
    async openLocalGateway(options) {
      await shareCache(options.dataFolder);
      return await openLocalGateway(runtime, options);
    },
    openKeys: (dataFolder) => openKeys(runtime, dataFolder),
    askGateway: (url, key) => askGateway(runtime, url, key),
    reportSlos: (dataFolder, sloFile) => openReport(runtime, dataFolder, sloFile),
    openTools: (dataFolder) => openTools(runtime, dataFolder),
    openLog: (dataFolder, origin, signer) => openLog(runtime, dataFolder, origin, signer),
    makeKeys: (options) => makeKeys(runtime, options),
    openSignerService: (options, log) => openSignerService(runtime, options, log),
    rotateKeys: (options) => rotateKeys(runtime, options),
    rotateJournalKeys: (place, onTenant) => rotateJournalKeys(runtime, place, onTenant),
    openBooks: (place, pricesFile) => openBooks(runtime, place, pricesFile),
    openRecords: (dataFolder) => openRecords(runtime, dataFolder),
    async openReplayer(place) {
      await shareCache(place.dataFolder);
      return await openReplayer(runtime, place);
    },
    offer: () => readOffer(runtime),
    openToolchain: unexpected("the toolchain"),
    ...rest,
  };
  const code = await runCli(args, world);
  return { code, out: out.join("\n"), err: err.join("\n") };
}

/** A folder with files in it, and a way to be rid of it. */
export interface TestFolder {
  readonly path: string;
  /** Writes a file and says where. */
  put(name: string, content: string | Uint8Array): Promise<string>;
  remove(): Promise<void>;
}

/** Makes an empty folder. */
export async function makeFolder(): Promise<TestFolder> {
  const path = await mkdtemp(join(tmpdir(), "writ-cli-"));
  return {
    path,
    async put(name, content) {
      const file = join(path, name);
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, content);
      return file;
    },
    remove: () => removeFolder(path),
  };
}

/** Standard input with this text. */
export function stdin(text: string): Pick<CliWorld, "readStdin"> {
  return { readStdin: async () => new TextEncoder().encode(text) };
}

/** A policy as an author writes one; `changes` replace whole lines by key. */
export function policyText(changes: Readonly<Record<string, string>> = {}): string {
  const lines: Record<string, string> = {
    tool_id: "hash",
    tenant_tier: "[free]",
    purpose: "[testing]",
    functions: '{ "hash/sha256": { operation: read } }',
    max_duration_ms: "5000",
    budget:
      "{ fuel: 1e8, memory_bytes: 16MiB, egress_bytes: 0, requests: 0, output_bytes: 4KiB, log_bytes: 0 }",
    ...changes,
  };
  return `${Object.entries(lines)
    .map(([key, value]) => `${key}: ${value}`)
    .join("\n")}\n`;
}
