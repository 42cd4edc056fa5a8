/** Composition root of `writ`: gives the command line its world, and the runtime its exit code. */

import { runtime } from "#runtime";
import { type CliWorld, runCli } from "./cli/index.ts";
import { PROJECT_FOLDER, readOffer, VERSION } from "./compose.ts";
import { openKeys, openLocalGateway, openLog } from "./local.ts";
import { startServer } from "./serve.ts";
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
} from "./wiring/index.ts";

const world: CliWorld = {
  runtime,
  version: VERSION,
  root: PROJECT_FOLDER,
  terminal: runtime.terminal,
  readStdin: () => runtime.readStdin(),
  startServer: (config, say) => startServer(runtime, config, say),
  openLocalGateway: (options) => openLocalGateway(runtime, options),
  askGateway: (url, key) => askGateway(runtime, url, key),
  reportSlos: (place, sloFile) => openReport(runtime, place, sloFile),
  openTools: (place) => openTools(runtime, place),
  openKeys: (place, identityFile) => openKeys(runtime, place, identityFile),
  openLog: (place, origin, signer) => openLog(runtime, place, origin, signer),
  openSignerService: (options, log) => openSignerService(runtime, options, log),
  makeKeys: (options) => makeKeys(runtime, options),
  rotateKeys: (options) => rotateKeys(runtime, options),
  rotateJournalKeys: (place, onTenant) => rotateJournalKeys(runtime, place, onTenant),
  openRecords: (place) => openRecords(runtime, place),
  openBooks: (place, pricesFile) => openBooks(runtime, place, pricesFile),
  openReplayer: (place) => openReplayer(runtime, place),
  offer: () => readOffer(runtime),
  // Loaded only when something is built: these packages are big.
  openToolchain: () => import("./toolchain/index.ts"),
};

// The clock's timers let a process end. A command that waits for nothing else (for gateways to follow, for another try)
// would be ended in the middle of it, without a word.
const alive = setInterval(() => undefined, 2 ** 30);
runtime.setExitCode(await runCli(runtime.args, world));
clearInterval(alive);
