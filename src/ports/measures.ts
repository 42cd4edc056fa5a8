/**
 * What was counted, by minute and by hour, and which alerts fire: shared by all gateways of a database, so that service
 * levels are those of all of them together, and an alert is told once.
 *
 * Duties of an implementation: those of the store. Counting adds, whoever else counts at the same time.
 */
import type { MeasureName, Sum } from "../core/slo/index.ts";

/** Something counted in one minute. */
export interface Count {
  /** Any moment of the minute. */
  readonly atMs: number;
  readonly tool: string;
  readonly version: string;
  readonly measure: MeasureName;
  readonly key: string;
  readonly count: number;
}

/** An alert as the gateways share it. */
export interface AlertRow {
  readonly name: string;
  readonly firing: boolean;
  /** Since when it is as it is. */
  readonly sinceMs: number;
  /** Counts its changes; each is told once. */
  readonly change: number;
  readonly detail: string;
}

/** An alert that this gateway is to tell. */
export interface ClaimedAlert extends AlertRow {
  /** How often somebody has begun to tell it, this time included. */
  readonly attempt: number;
}

/** Counts and alerts. */
export interface MeasureStore {
  /** Adds to the minutes and the hours that they are in. */
  add(counts: readonly Count[]): Promise<void>;
  /** @param spanMs at most an hour: by whole minutes; beyond, by whole hours. The one under way counts too */
  sums(nowMs: number, spanMs: number): Promise<readonly Sum[]>;
  /** Sums of whole minutes since, for one tool. */
  sumsOf(tool: string, sinceMs: number): Promise<readonly Sum[]>;
  /** Which of these runs are sealed. @param runs at most 500 */
  sealedAmong(runs: readonly string[]): Promise<readonly string[]>;
  /** Forgets minutes older than two hours, and hours older than 36 days. */
  forget(nowMs: number): Promise<void>;
  listAlerts(): Promise<readonly AlertRow[]>;
  /**
   * Says how an alert is.
   *
   * @returns whether that is a change: then it is there to be claimed and told
   */
  setAlert(alert: Pick<AlertRow, "name" | "firing" | "detail">, nowMs: number): Promise<boolean>;
  /** Takes a change that nobody has told yet, for so long; another gateway may take it after that. */
  claimAlert(nowMs: number, leaseMs: number): Promise<ClaimedAlert | undefined>;
  /** A change was told, or is given up. */
  settleAlert(name: string, change: number): Promise<void>;
}
