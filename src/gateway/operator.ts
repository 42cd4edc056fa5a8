/**
 * What an operator asks of a gateway: which versions of tools are in force, to change that, and figures of all tenants.
 * Whoever calls this has the scope for it; no method asks for a principal's tenant.
 */
import { GatewayError } from "../core/errors.ts";
import type { Principal } from "../core/policy/index.ts";
import type { ToolCommand, ToolState } from "../core/rollout/index.ts";
import type { SloReport } from "../core/slo/index.ts";
import type { Clock, Entropy, ToolAction, VersionStore } from "../ports/index.ts";
import { commandTool, policyIdsOf } from "../registry/index.ts";
import { newActionId } from "./ids.ts";
import { describeChange } from "./tool-actions.ts";

/** The gateway as its operator sees it. */
export interface Operator {
  listTools(): Promise<readonly ToolState[]>;
  /** @throws {GatewayError} `unknown-tool` */
  describeTool(tool: string, page: VersionPage): Promise<OperatedTool>;
  /**
   * Changes what is in force; every gateway follows within a second.
   *
   * @param note for people: why
   * @throws {GatewayError} `unknown-tool`; `invalid-request` when the state does not allow it, with a sentence why
   */
  commandTool(principal: Principal, tool: string, asked: ToolCommand, note: string): Promise<OperatorAnswer>;
  /** What was done, newest first. */
  listActions(
    page: ActionPage,
  ): Promise<{ readonly actions: readonly OperatorAction[]; readonly next?: string }>;
  /** How service levels stand, over all gateways. @throws whatever the store throws */
  slo(): Promise<SloReport>;
  /** Counters and histograms of this gateway, and service levels: OpenMetrics text. */
  metrics(): Promise<{ readonly contentType: string; readonly text: string }>;
}

/** Which versions to list, newest first. */
export interface VersionPage {
  readonly limit: number;
  /** Only older ones than this number. */
  readonly before?: number;
}

/** Which actions to list, newest first. */
export interface ActionPage {
  readonly limit: number;
  readonly before?: string;
  readonly tool?: string;
}

/** A tool's state and its versions. */
export interface OperatedTool {
  readonly state: ToolState;
  readonly versions: readonly {
    readonly version: number;
    readonly digest: string;
    readonly component: string;
    readonly policies: readonly string[];
    readonly firstSeen: string;
  }[];
  /** Pass as `before` for the page that follows; absent on the last. */
  readonly next?: number;
}

/** What came of a command. */
export interface OperatorAnswer {
  readonly changed: boolean;
  readonly state: ToolState;
  /** Name of the signed record in the log; absent when nothing changed. */
  readonly action?: string;
}

/** Something that was done to a tool. */
export interface OperatorAction {
  readonly action: string;
  readonly tool: string;
  readonly kind: string;
  readonly by: string;
  readonly at: string;
  /** What changed, a sentence each. */
  readonly changes: readonly string[];
  /** ms until the last run of what it took out of force was admitted; absent while nobody knows. */
  readonly settledMs?: number;
}

/** What the operator's side is made of. */
export interface OperatorParts {
  readonly versions: VersionStore;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly metrics: Operator["metrics"];
  readonly slo: Operator["slo"];
}

/** Creates the operator's side of a gateway. */
export function createOperator({ versions, clock, entropy, metrics, slo }: OperatorParts): Operator {
  return {
    metrics,
    slo,
    listTools: async () => (await versions.states()).rows.map(({ state }) => state),
    async describeTool(tool, { limit, before }) {
      const row = (await versions.states()).rows.find(({ state }) => state.tool === tool);
      if (row === undefined) throw unknownTool(tool);
      // One more than asked for tells whether a next page exists.
      const found = await versions.listVersions(tool, limit + 1, before);
      const last = found[limit - 1];
      return {
        state: row.state,
        versions: found.slice(0, limit).map((version) => ({
          version: version.number,
          digest: version.digest,
          component: version.component,
          policies: policyIdsOf(version),
          firstSeen: new Date(version.seenAtMs).toISOString(),
        })),
        ...(found.length > limit && last !== undefined ? { next: last.number } : {}),
      };
    },
    async commandTool(principal, tool, asked, note) {
      const context = { id: newActionId(clock, entropy), atMs: clock.nowMs(), by: principal.id, note };
      const done = await commandTool(versions, tool, asked, context);
      switch (done.kind) {
        case "changed":
          return { changed: true, state: done.after, action: done.action };
        case "unchanged":
          return { changed: false, state: done.state };
        case "unknown-tool":
          throw unknownTool(tool);
        case "refused":
          throw new GatewayError(`Cannot ${asked.kind} "${tool}": ${done.why}`, {
            code: "invalid-request",
            errors: [{ pointer: "/command", detail: done.why }],
          });
      }
    },
    async listActions({ limit, before, tool }) {
      const found = await versions.listActions(tool, limit + 1, before);
      const last = found[limit - 1];
      return {
        actions: found.slice(0, limit).map(describeAction),
        ...(found.length > limit && last !== undefined ? { next: last.id } : {}),
      };
    },
  };
}

function describeAction(action: ToolAction): OperatorAction {
  const { id, tool, kind, by, atMs, settledMs } = action;
  const at = new Date(atMs).toISOString();
  const settled = settledMs === undefined ? {} : { settledMs };
  return { action: id, tool, kind, by, at, changes: describeChange(action), ...settled };
}

function unknownTool(tool: string): GatewayError {
  return new GatewayError(`Cannot find tool "${tool}": no gateway has recorded it`, { code: "unknown-tool" });
}
