/**
 * Which versions tools have, which of them are in force, and what operators did about that. Shared by all gateways of a
 * database: each looks at the generation again and again, and takes over what changed.
 *
 * Duties of an implementation: those of the store. Every change is guarded by the revision it was made from, so that of
 * two operators who act at once one is told that the other was first.
 */
import type { ToolState } from "../core/rollout/index.ts";

/** One version of a tool. Append-only: what a number means never changes. */
export interface ToolVersion {
  readonly tool: string;
  /** From 1, in the order in which they were first seen. */
  readonly number: number;
  /** `sha256:<hex>` over component and policies: two versions differ exactly when this does. */
  readonly digest: string;
  /** `sha256:<hex>` of the component. */
  readonly component: string;
  /** JSON: the tool's words about itself and its policies. See `registry/version.ts`. */
  readonly document: string;
  readonly seenAtMs: number;
}

/** A tool's state, and how often it was changed. */
export interface ToolStateRow {
  readonly state: ToolState;
  readonly revision: number;
}

/** All tools' states at one moment. */
export interface ToolStates {
  /** Grows with every change of any tool's state, and with every new version. */
  readonly generation: number;
  readonly rows: readonly ToolStateRow[];
}

/** What somebody did to a tool, as it is remembered. Append-only, but for `settledMs`. */
export interface ToolAction {
  /** `act_` and a ULID: in the order of their making. */
  readonly id: string;
  readonly tool: string;
  readonly atMs: number;
  /** Name of the command, or `record` for a version that was seen for the first time. */
  readonly kind: string;
  /** Who: a principal's id, `cli`, or `rule:<name>`. */
  readonly by: string;
  /** For people. */
  readonly note: string;
  /** Absent for a tool's first version. */
  readonly before?: ToolState;
  readonly after: ToolState;
  /**
   * ms from the command to the last run of the version that it took out of force, over all gateways; 0 when there was
   * none. Absent while that is not known yet, or the command took none out of force.
   */
  readonly settledMs?: number;
}

/** A gateway, as the others see it. */
export interface GatewayRow {
  readonly gateway: string;
  /** The newest generation that it has in force. */
  readonly generation: number;
  /** By its own clock. */
  readonly seenAtMs: number;
}

/** Versions and states of tools. */
export interface VersionStore {
  /** Cheap: asked several times a second by every gateway. */
  generation(): Promise<number>;
  states(): Promise<ToolStates>;
  /**
   * Keeps a version and its component, unless a version of that digest is there.
   *
   * @param first makes the state of a tool that has none, or what becomes of it with this version; undefined = it stays.
   *   Called inside the transaction
   * @returns the version as it is kept, and whether it is new
   */
  record(
    version: Omit<ToolVersion, "number">,
    bytes: Uint8Array,
    decide: (number: number, state: ToolState | undefined) => ToolState | undefined,
    action: Pick<ToolAction, "id" | "by" | "note">,
  ): Promise<{ readonly version: ToolVersion; readonly isNew: boolean }>;
  findVersion(tool: string, number: number): Promise<ToolVersion | undefined>;
  /** Newest first; `before` is a number to continue from. */
  listVersions(tool: string, limit: number, before?: number): Promise<readonly ToolVersion[]>;
  /** Bytes of a component of any version. @param digest `sha256:<hex>` */
  findComponent(digest: string): Promise<Uint8Array<ArrayBuffer> | undefined>;
  /**
   * Changes a state and remembers the action, in one transaction.
   *
   * @param revision of the state that `action.before` is
   * @returns false when somebody else has changed it since: nothing was done
   */
  change(revision: number, action: ToolAction & Required<Pick<ToolAction, "before">>): Promise<boolean>;
  /** Newest first; `before` is an action's id to continue from. Of all tools when none is named. */
  listActions(tool: string | undefined, limit: number, before?: string): Promise<readonly ToolAction[]>;
  /** Actions of which the log has no record yet, oldest first. */
  unsignedActions(limit: number): Promise<readonly ToolAction[]>;
  /** Notes what an action took, once; later words change nothing. */
  settleAction(id: string, settledMs: number): Promise<void>;
  /** Says that a gateway is there and what it has in force. */
  acknowledge(row: GatewayRow): Promise<void>;
  /** A gateway has ended. */
  forget(gateway: string): Promise<void>;
  /** Gateways that were seen since. */
  listGateways(seenSinceMs: number): Promise<readonly GatewayRow[]>;
}
