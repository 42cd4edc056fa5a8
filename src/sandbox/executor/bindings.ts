/**
 * Which interface is implemented by which file: one row each. What is not here is refused, whatever a policy says.
 */
import type { Binding } from "./binding.ts";
import type { GuestContext } from "./context.ts";
import { createTools } from "./tools.ts";
import { createEnvironment, createExit, createNoTerminal, createTerminals } from "./wasi/cli.ts";
import { createMonotonicClock, createTimezone, createWallClock } from "./wasi/clocks.ts";
import { createConfig } from "./wasi/config.ts";
import { createFilesystemTypes, createPreopens } from "./wasi/filesystem.ts";
import { createHttpTypes, createOutgoingHandler } from "./wasi/http.ts";
import { createKeyvalueAtomics, createKeyvalueBatch, createKeyvalueStore } from "./wasi/keyvalue.ts";
import { createLogging } from "./wasi/logging.ts";
import { createPoll } from "./wasi/poll.ts";
import { createInsecure, createInsecureSeed, createRandom } from "./wasi/random.ts";
import { createInstanceNetwork, createNetwork, createTcp, createTcpCreateSocket } from "./wasi/sockets.ts";
import { createIpNameLookup } from "./wasi/sockets-lookup.ts";
import { createStderr, createStdin, createStdout } from "./wasi/stdio.ts";
import { createIoError, createStreams } from "./wasi/streams.ts";
import * as v3cli from "./wasi3/cli.ts";
import * as v3clocks from "./wasi3/clocks.ts";
import * as v3filesystem from "./wasi3/filesystem.ts";
import * as v3http from "./wasi3/http.ts";
import * as v3random from "./wasi3/random.ts";
import * as v3sockets from "./wasi3/sockets.ts";
import { createLog, createReveal, createRunInfo, createSecrets, createSigning } from "./writ.ts";

interface Row {
  /** `name` is as the component spells it: drafts of one interface differ under one name. */
  readonly create: (context: GuestContext, name: string) => Binding;
  /** Functions that wait for the world: the guest is suspended meanwhile. */
  readonly waits?: readonly string[];
}

/** Rows by interface name without version. A Map, so that an interface called `constructor` finds nothing. */
const ROWS: ReadonlyMap<string, Row> = new Map<string, Row>([
  ["wasi:io/error", { create: createIoError }],
  ["wasi:io/poll", { create: createPoll, waits: ["poll", "[method]pollable.block"] }],
  [
    "wasi:io/streams",
    {
      create: createStreams,
      waits: [
        "[method]input-stream.blocking-read",
        "[method]input-stream.blocking-skip",
        "[method]output-stream.blocking-write-and-flush",
        "[method]output-stream.blocking-flush",
        "[method]output-stream.blocking-write-zeroes-and-flush",
        "[method]output-stream.blocking-splice",
      ],
    },
  ],
  ["wasi:clocks/wall-clock", { create: createWallClock }],
  ["wasi:clocks/monotonic-clock", { create: createMonotonicClock }],
  ["wasi:clocks/timezone", { create: createTimezone }],
  ["wasi:random/random", { create: createRandom }],
  ["wasi:random/insecure", { create: createInsecure }],
  ["wasi:random/insecure-seed", { create: createInsecureSeed }],
  ["wasi:cli/environment", { create: createEnvironment }],
  ["wasi:cli/exit", { create: createExit }],
  ["wasi:cli/terminal-input", { create: createTerminals }],
  ["wasi:cli/terminal-output", { create: createTerminals }],
  ["wasi:cli/terminal-stdin", { create: createNoTerminal }],
  ["wasi:cli/terminal-stdout", { create: createNoTerminal }],
  ["wasi:cli/terminal-stderr", { create: createNoTerminal }],
  ["wasi:cli/stdin", { create: createStdin }],
  ["wasi:cli/stdout", { create: createStdout }],
  ["wasi:cli/stderr", { create: createStderr }],
  ["wasi:filesystem/preopens", { create: createPreopens }],
  [
    "wasi:filesystem/types",
    {
      create: createFilesystemTypes,
      waits: [
        "sync-data",
        "sync",
        "read-directory",
        "create-directory-at",
        "stat",
        "stat-at",
        "set-times-at",
        "open-at",
        "readlink-at",
        "remove-directory-at",
        "rename-at",
        "unlink-file-at",
        "metadata-hash",
        "metadata-hash-at",
      ].map((name) => `[method]descriptor.${name}`),
    },
  ],
  ["wasi:config/store", { create: createConfig }],
  [
    "wasi:keyvalue/store",
    {
      create: createKeyvalueStore,
      waits: [
        "open",
        ...["get", "set", "delete", "exists", "list-keys"].map((name) => `[method]bucket.${name}`),
      ],
    },
  ],
  [
    "wasi:keyvalue/atomics",
    { create: createKeyvalueAtomics, waits: ["[static]cas.new", "increment", "swap"] },
  ],
  ["wasi:keyvalue/batch", { create: createKeyvalueBatch, waits: ["get-many", "set-many", "delete-many"] }],
  ["wasi:logging/logging", { create: createLogging, waits: ["log"] }],
  ["wasi:sockets/network", { create: createNetwork }],
  ["wasi:sockets/instance-network", { create: createInstanceNetwork }],
  ["wasi:sockets/ip-name-lookup", { create: createIpNameLookup }],
  ["wasi:sockets/tcp", { create: createTcp }],
  ["wasi:sockets/tcp-create-socket", { create: createTcpCreateSocket }],
  ["wasi:http/types", { create: createHttpTypes }],
  ["wasi:http/outgoing-handler", { create: createOutgoingHandler }],
  ["writ:host/log", { create: createLog, waits: ["write"] }],
  ["writ:host/tools", { create: createTools, waits: ["invoke"] }],
  ["writ:host/secrets", { create: createSecrets, waits: ["get"] }],
  ["writ:host/signing", { create: createSigning, waits: ["hmac-sha256", "sign"] }],
  ["writ:host/reveal", { create: createReveal, waits: ["reveal"] }],
  ["writ:host/run-info", { create: createRunInfo }],
]);

/** Rows of WASI 0.3. What waits there says so by its type. */
const ROWS_OF_03: ReadonlyMap<string, Row> = new Map<string, Row>([
  ["wasi:clocks/types", { create: v3clocks.createTypes }],
  ["wasi:clocks/monotonic-clock", { create: v3clocks.createMonotonicClock }],
  ["wasi:clocks/system-clock", { create: v3clocks.createSystemClock }],
  ["wasi:clocks/timezone", { create: v3clocks.createTimezone }],
  ["wasi:random/random", { create: v3random.createRandom }],
  ["wasi:random/insecure", { create: v3random.createInsecure }],
  ["wasi:random/insecure-seed", { create: v3random.createInsecureSeed }],
  ["wasi:cli/types", { create: v3clocks.createTypes }],
  ["wasi:cli/environment", { create: v3cli.createEnvironment }],
  ["wasi:cli/exit", { create: createExit }],
  ["wasi:cli/stdin", { create: v3cli.createStdin }],
  ["wasi:cli/stdout", { create: v3cli.createStdout }],
  ["wasi:cli/stderr", { create: v3cli.createStderr }],
  ["wasi:cli/terminal-input", { create: createTerminals }],
  ["wasi:cli/terminal-output", { create: createTerminals }],
  ["wasi:cli/terminal-stdin", { create: createNoTerminal }],
  ["wasi:cli/terminal-stdout", { create: createNoTerminal }],
  ["wasi:cli/terminal-stderr", { create: createNoTerminal }],
  ["wasi:filesystem/types", { create: v3filesystem.createFilesystemTypes }],
  ["wasi:filesystem/preopens", { create: v3filesystem.createPreopens }],
  ["wasi:http/types", { create: v3http.createHttpTypes }],
  ["wasi:http/client", { create: v3http.createHttpClient }],
  ["wasi:sockets/types", { create: v3sockets.createSocketTypes }],
  ["wasi:sockets/ip-name-lookup", { create: v3sockets.createIpNameLookup }],
]);

/**
 * @param name interface name, as the component spells it
 * @returns its implementation for this run, or `undefined` when there is none
 */
export function bindInterface(name: string, context: GuestContext): Binding | undefined {
  return rowOf(name)?.create(context, name);
}

/** @returns names of the interface's functions that suspend the guest, as the component spells them. */
export function waitingFunctions(name: string): readonly string[] {
  return rowOf(name)?.waits ?? [];
}

function rowOf(name: string): Row | undefined {
  const rows = /@0\.3\.\d+$/.test(name) ? ROWS_OF_03 : ROWS;
  return rows.get(withoutVersion(name));
}

/** `wasi:io/poll@0.2.6` becomes `wasi:io/poll`. */
export function withoutVersion(name: string): string {
  const at = name.indexOf("@");
  return at < 0 ? name : name.slice(0, at);
}
