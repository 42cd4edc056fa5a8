/**
 * The tables, as Kysely sees them. `migrations.ts` makes them.
 *
 * Forward only: a migration that was released is never edited, a new one is appended. And additive only: while it runs,
 * and after it, gateways of the version before go on with the same PostgreSQL. So a new column has a default, nothing is
 * renamed or taken away, and no statement of ours asks for `*`. A SQLite file that a newer Writ wrote is refused.
 */
import type { ErasureReason } from "../ports/index.ts";

/** One admitted run. Append-only. */
export interface RunsTable {
  run: string;
  tenant: string;
  tool: string;
  function: string;
  admitted_at_ms: number;
  predicate: string;
}

/** One seal. Append-only; `sequence` is the primary key, starts at 0 and has no gaps. */
export interface SealsTable {
  sequence: number;
  run: string;
  outcome: string;
  digest: string;
  bundle: string;
  sealed_at_ms: number;
  /** Leaf of the log at index `sequence`. */
  entry: string;
}

/** Full tiles of the log's tree. Append-only: a full tile never changes. */
export interface TilesTable {
  level: number;
  position: number;
  /** 256 hashes, one after another. */
  hashes: Uint8Array;
  root: Uint8Array;
}

/** What the log was after each commit that appended to it. Append-only. */
export interface HeadsTable {
  size: number;
  root: Uint8Array;
}

/** Runs without a seal, so that finding them does not read every run there ever was. */
export interface OpenRunsTable {
  run: string;
  admitted_at_ms: number;
}

/** API keys at rest. */
export interface KeysTable {
  id: string;
  hash: string;
  tenant: string;
  tier: string;
  /** JSON array of strings. */
  scopes: string;
  created_at_ms: number;
  expires_at_ms: number | null;
  revoked_at_ms: number | null;
  label: string;
}

/** What tools keep between runs. */
export interface ItemsTable {
  tenant: string;
  tool: string;
  /** `keyvalue` or `volume`. */
  kind: string;
  bucket: string;
  key: string;
  value: Uint8Array;
  version: number;
  modified_at_ms: number;
}

/** What the items of one tenant, tool and kind come to; `version` is that of the newest change. */
export interface ItemUsageTable {
  tenant: string;
  tool: string;
  kind: string;
  bytes: number;
  items: number;
  version: number;
}

/** One row that `check()` writes to. */
export interface ProbeTable {
  id: number;
  beats: number;
}

/** Tenants' keys, wrapped. */
export interface TenantKeysTable {
  tenant: string;
  id: string;
  wrapped: Uint8Array;
}

/** Journals of runs, encrypted. The only rows about runs that can be taken away. */
export interface JournalsTable {
  run: string;
  tenant: string;
  key_id: string;
  kept_at_ms: number;
  expires_at_ms: number;
  content: Uint8Array;
}

/** Journals that were taken away. Append-only. */
export interface ErasuresTable {
  run: string;
  tenant: string;
  at_ms: number;
  why: ErasureReason;
}

/** Versions of tools. Append-only. */
export interface ToolVersionsTable {
  tool: string;
  number: number;
  digest: string;
  component: string;
  document: string;
  seen_at_ms: number;
}

/** Components of versions, by digest. */
export interface ComponentsTable {
  digest: string;
  bytes: Uint8Array;
}

/** What of each tool is in force. */
export interface ToolStatesTable {
  tool: string;
  /** JSON of a ToolState. */
  state: string;
  revision: number;
}

/** One row: how often anything about versions was changed. */
export interface ToolGenerationTable {
  id: number;
  generation: number;
}

/** What operators did to tools. Append-only. */
export interface ToolActionsTable {
  id: string;
  tool: string;
  at_ms: number;
  kind: string;
  by_whom: string;
  note: string;
  before_state: string | null;
  after_state: string;
}

/** How long what operators did took to be in force everywhere. */
export interface ToolSettlementsTable {
  action: string;
  settled_ms: number;
}

/** Gateways that are there, and what they have in force. */
export interface GatewaysTable {
  gateway: string;
  generation: number;
  seen_at_ms: number;
}

/** What gateways of one database have to agree on. Append-only. */
export interface ClaimsTable {
  name: string;
  value: string;
}

/** What a command line did about API keys, to be signed. Append-only. */
export interface KeyActsTable {
  id: string;
  /** JSON of a KeyAct. */
  act: string;
}

/** What was counted in a minute or an hour. */
export interface MeasuresTable {
  resolution_ms: number;
  at_ms: number;
  tool: string;
  version: string;
  measure: string;
  key: string;
  count: number;
}

/** Alerts that were ever heard of. */
export interface AlertsTable {
  name: string;
  /** 1 = it fires. */
  firing: number;
  since_ms: number;
  change: number;
  /** The change that was told last. */
  told: number;
  attempts: number;
  claimed_until_ms: number;
  detail: string;
}

/** The database, as Kysely sees it. */
export interface Tables {
  runs: RunsTable;
  seals: SealsTable;
  tiles: TilesTable;
  heads: HeadsTable;
  open_runs: OpenRunsTable;
  keys: KeysTable;
  items: ItemsTable;
  tenant_keys: TenantKeysTable;
  journals: JournalsTable;
  erasures: ErasuresTable;
  item_usage: ItemUsageTable;
  probe: ProbeTable;
  claims: ClaimsTable;
  key_acts: KeyActsTable;
  tool_versions: ToolVersionsTable;
  components: ComponentsTable;
  tool_states: ToolStatesTable;
  tool_generation: ToolGenerationTable;
  tool_actions: ToolActionsTable;
  tool_settlements: ToolSettlementsTable;
  gateways: GatewaysTable;
  measures: MeasuresTable;
  alerts: AlertsTable;
}
