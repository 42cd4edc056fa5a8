/** A whole gateway for tests: real rooms, real sockets, a data folder of its own, everything closed at the end. */
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { runtime } from "#runtime";
import type { RunningServer, ServeConfig } from "../../src/cli/index.ts";
import { startServer } from "../../src/serve.ts";
import { removeFolder } from "./folder.ts";
import { patientTools } from "./patient-tools.ts";
import { shareCache } from "./shared-cache.ts";

/** The project's folder. */
export const PROJECT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** The sample tools, built, whose runs have as much time as a busy machine takes. */
export const SAMPLE_TOOLS = patientTools() ?? join(PROJECT, ".writ", "tools");

/** A gateway that listens, and a way to call it. */
export interface TestGateway {
  readonly server: RunningServer;
  readonly key: string;
  readonly dataFolder: string;
  /** Lines that the gateway logged. */
  readonly log: readonly string[];
  /** Sends JSON with the bootstrap key. */
  post(path: string, body: unknown, headers?: Record<string, string>): Promise<Answer>;
  get(path: string, headers?: Record<string, string>): Promise<Answer>;
  close(): Promise<void>;
}

/** A response, read whole. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** Parsed when the response says that it is JSON. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape, and fail where it is not there
  readonly json: any;
}

/** What {@link ServeConfig} is unless a test says otherwise. */
export function testConfig(dataFolder: string, changes: Partial<ServeConfig> = {}): ServeConfig {
  return {
    host: "127.0.0.1",
    port: 0,
    dataFolder,
    databaseUrl: undefined,
    keysFolder: undefined,
    toolsFolder: SAMPLE_TOOLS,
    policiesFolder: undefined,
    newVersions: "activate",
    profilesFile: undefined,
    identityFile: undefined,
    reload: "asked",
    pricesFile: undefined,
    executors: 2,
    spares: 0,
    executorRuntime: undefined,
    // What every machine has; test/sandbox/cage.test.ts has the others.
    isolation: "process+permissions",
    logOrigin: "log.example",
    signer: undefined,
    witnessesFile: undefined,
    sloFile: undefined,
    otlpEndpoint: undefined,
    otlpAllow: [],
    otlpProfile: undefined,
    publicUrl: undefined,
    demo: false,
    maxBodyBytes: 2 ** 20,
    mounts: [],
    allowedHosts: [],
    allowedOrigins: [],
    logLevel: "info",
    egressAllow: [],
    egressBlock: [],
    egressProxy: undefined,
    ...changes,
  };
}

/** Starts a gateway on a free port. @param clock of its machine, if it is another one */
export async function openTestGateway(
  changes: Partial<ServeConfig> = {},
  clock = runtime.clock,
): Promise<TestGateway> {
  const dataFolder = changes.dataFolder ?? (await mkdtemp(join(tmpdir(), "writ-e2e-")));
  await shareCache(dataFolder);
  const log: string[] = [];
  const quiet = { ...runtime, clock, print: (line: string) => void log.push(line) };
  const server = await startServer(quiet, testConfig(dataFolder, changes), () => undefined);
  const key = server.bootstrapKey ?? "";
  const call = (path: string, init: RequestInit) => callGateway(server.url, path, init);
  return {
    server,
    key,
    dataFolder,
    log,
    post: (path, body, headers) =>
      call(path, {
        method: "POST",
        headers: { authorization: `Bearer ${key}`, "content-type": "application/json", ...headers },
        body: JSON.stringify(body),
      }),
    get: (path, headers) => call(path, { headers: { authorization: `Bearer ${key}`, ...headers } }),
    async close() {
      await server.stop();
      if (changes.dataFolder === undefined) await removeFolder(dataFolder);
    },
  };
}

/** One request, read whole. */
export async function callGateway(url: string, path: string, init: RequestInit): Promise<Answer> {
  const response = await fetch(`${url}${path}`, init);
  const text = await response.text();
  const isJson = /json/.test(response.headers.get("content-type") ?? "");
  return {
    status: response.status,
    headers: response.headers,
    text,
    json: isJson ? JSON.parse(text) : undefined,
  };
}
