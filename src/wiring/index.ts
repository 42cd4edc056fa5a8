/**
 * Wiring: how the rooms are opened on what an operator has: his files, a data folder, a database, keys. Composition, the
 * server and the command line are made of it; it decides nothing that a room could decide.
 *
 * - `closers.ts`: what is closed again, and in which order. `place.ts`: data folder and database. `kept.ts`: what is kept of runs. `signers.ts`: keys, in files or another process.
 * - `operator-files.ts`, `reload.ts`: the files, read whole or not at all, at the start and again. `prepare.ts`: tools
 *   made ready.
 * - `shared-log.ts`, `shared-clock.ts`: what gateways of one database share. `log-guard.ts`, `witnesses.ts`: who sees
 *   that a log was taken back.
 * - `versions.ts`, `watching.ts`, `slo.ts`: what is in force, and who is told of runs.
 * - `listen.ts`, `log-lines.ts`, `start-report.ts`: what is heard and said. `records.ts`, `books.ts`, `remote.ts`: what the command line looks into.
 */
export { openBooks } from "./books.ts";
export { Closers } from "./closers.ts";
export type { House } from "./house.ts";
export { journalKey, openAccounts, openJournals } from "./kept.ts";
export { baseUrl, listen, requireFreePort, serveDemo } from "./listen.ts";
export { type GuardedLog, guardLog } from "./log-guard.ts";
export { openLogLines } from "./log-lines.ts";
export {
  type FilePlaces,
  loadAllProfiles,
  loadOperatorFiles,
  type OperatorFiles,
  readMounts,
  readProfiles,
  stampFiles,
} from "./operator-files.ts";
export {
  databaseOf,
  isShared,
  keysOf,
  makeDataFolder,
  nameDatabase,
  openDatabase,
  openExisting,
} from "./place.ts";
export { describePreparations, prepareTool, prepareTools } from "./prepare.ts";
export { openRecords, openReplayer, rotateJournalKeys } from "./records.ts";
export { Reloader, type ReloadParts } from "./reload.ts";
export { askGateway } from "./remote.ts";
export { openSharedClock, type SharedClock } from "./shared-clock.ts";
export { isFirst, joinLog } from "./shared-log.ts";
export {
  type KeyState,
  makeKeys,
  openSignerService,
  openSigners,
  type RotateOptions,
  rotateKeys,
  type SignerPlace,
  type Signers,
  writePublicKeys,
} from "./signers.ts";
export type { SloSettings } from "./slo.ts";
export { sayFiles, sayHouse, sayVersions } from "./start-report.ts";
export { openReport, openTools, openVersions } from "./versions.ts";
export { countingSpawns, openWatching, type WatchSettings } from "./watching.ts";
export { COSIGNED, readWitnesses } from "./witnesses.ts";
