/** Interfaces to the world, and nothing else: no file here has a function body. */
export type {
  AccountStore,
  AnswerPlace,
  AnswerVault,
  AttemptClaim,
  Claimed,
  ClaimRefusal,
  Kept,
  KeyClaim,
  KeyedRun,
  LastGood,
  LoopClaim,
  RunClaims,
  RunCost,
  RunSettlement,
} from "./accounts.ts";
export type { AppendFile } from "./append-file.ts";
export type { Clock } from "./clock.ts";
export type { Entropy } from "./entropy.ts";
export type { ExecutorHost } from "./executor-host.ts";
export type { Files, FolderEntry } from "./files.ts";
export type {
  HostCall,
  HostReply,
  HttpReadValue,
  HttpSendArgs,
  HttpSendValue,
  RunHost,
  Usage,
} from "./host-calls.ts";
export type { Drawer, Item, ItemChange, ItemHead, ItemQuota, ItemStore } from "./items.ts";
export type {
  Erasure,
  ErasureReason,
  ErasureScope,
  JournalRow,
  JournalStore,
  TenantKeyRow,
} from "./journals.ts";
export type { KeyAct, KeyActStore, KeyRow } from "./key-acts.ts";
export type {
  BillLine,
  ChargebackLine,
  ChargebackQuery,
  LedgerStore,
  OutcomeReported,
  TaskOutcome,
} from "./ledger.ts";
export type { LocalSocket, LocalSockets } from "./local-sockets.ts";
export type { AlertRow, ClaimedAlert, Count, MeasureStore } from "./measures.ts";
export type { Observer } from "./observer.ts";
export type {
  Outgoing,
  OutgoingAnswer,
  OutgoingBody,
  OutgoingCredentials,
  OutgoingOptions,
} from "./outgoing.ts";
export type {
  PostgresConnection,
  PostgresFailure,
  PostgresQuery,
  PostgresResult,
  PostgresServer,
} from "./postgres.ts";
export type { Resolver } from "./resolver.ts";
export type {
  Cage,
  ExecutorProcess,
  ExecutorRole,
  HttpServer,
  ProcessMemory,
  ProcessView,
  Runtime,
  SqliteDatabase,
  SqliteStatement,
  SystemCage,
} from "./runtime.ts";
export type {
  GuestSettings,
  ImportBinding,
  Isolation,
  Preparation,
  PreparationStep,
  Sandbox,
  SandboxComponent,
  SandboxEnd,
  SandboxRun,
} from "./sandbox.ts";
export type { NoteSigner, PublicKey, Signature, Signer } from "./signer.ts";
export type { PrivateSigner, Signing } from "./signing.ts";
export type { Intent, Logged, LogHead, RunRow, Seal, Store } from "./store.ts";
export type { HostCallSeen, RefusalSeen, RunSeen, Step, TelemetrySink } from "./telemetry.ts";
export type { PublicVerifier, Verification } from "./verification.ts";
export type {
  GatewayRow,
  ToolAction,
  ToolStateRow,
  ToolStates,
  ToolVersion,
  VersionStore,
} from "./versions.ts";
