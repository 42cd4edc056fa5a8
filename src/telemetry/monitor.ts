/**
 * Watches service levels: reads what all gateways counted, judges it by the operator's file, turns alerts and has them
 * told, and takes a version back where a rule says so. Every gateway does this; the store sees to it that each change of
 * an alert is told once and each rollback is done once.
 */
import type { ToolState } from "../core/rollout/index.ts";
import { beginRounds } from "../core/rounds.ts";
import {
  candidateOf,
  evaluate,
  judgeCandidate,
  type SloFile,
  type SloReport,
  type Sum,
} from "../core/slo/index.ts";
import type { ClaimedAlert, Clock, MeasureStore, VersionStore } from "../ports/index.ts";

const LOOK_MS = 5_000;
/** Sums of more than an hour are read again after this long only. */
const KEPT_MS = 60_000;
const HOUR_MS = 3_600_000;
/** What a gateway has to tell an alert; see the webhooks' own retries. */
const LEASE_MS = 60_000;
const FORGET_EVERY_MS = 600_000;
/** Actions looked at for rollbacks of the period. */
const MOST_ACTIONS = 500;

/** What the monitor is made of. */
export interface MonitorParts {
  readonly measures: MeasureStore;
  readonly versions: VersionStore;
  readonly clock: Clock;
  /** What is promised at this moment. */
  readonly file: () => SloFile;
  /** Labels that sums of a version have. */
  readonly labelsOf: (tool: string, version: number) => Promise<readonly string[]>;
  /** Takes a version back, unless the state is no longer this one. */
  readonly rollBack: (state: ToolState, rule: string, detail: string) => Promise<void>;
  /** Tells a change; `stopping` ends the pauses between tries. @returns whether it is told, or is to be given up */
  readonly tell: (alert: ClaimedAlert, stopping: AbortSignal) => Promise<boolean>;
  readonly log: (line: object) => void;
}

/** The monitor of one gateway. */
export interface Monitor {
  /** How everything stands now. @throws whatever the store throws */
  report(): Promise<SloReport>;
  /** One look: versions are judged, alerts are turned. @throws whatever the store throws */
  look(): Promise<void>;
  /** Tells the alerts that turned and that nobody has told. @throws whatever the store throws */
  tell(): Promise<void>;
  /** Begins to look. @returns stops, and waits for what is under way: an alert on its way is tried once, and left to others */
  begin(): () => Promise<void>;
}

/** @returns a monitor that looks when it is told to */
export function createMonitor(parts: MonitorParts): Monitor {
  const { measures, versions, clock, log } = parts;
  const kept = new Map<number, { readonly atMs: number; readonly sums: readonly Sum[] }>();
  let forgottenAt = Number.NEGATIVE_INFINITY;

  async function sumsOf(spanMs: number): Promise<readonly Sum[]> {
    const known = kept.get(spanMs);
    const now = clock.monotonicMs();
    if (known !== undefined && spanMs > HOUR_MS && now - known.atMs < KEPT_MS) return known.sums;
    const sums = await measures.sums(clock.nowMs(), spanMs);
    kept.set(spanMs, { atMs: now, sums });
    return sums;
  }

  async function report(): Promise<SloReport> {
    const file = parts.file();
    const spans = new Set([file.period, 300_000, ...file.alerts.flatMap(({ long, short }) => [long, short])]);
    const sums = new Map<number, readonly Sum[]>();
    for (const span of spans) sums.set(span, await sumsOf(span));
    const actions = await versions.listActions(undefined, MOST_ACTIONS);
    const sinceMs = clock.nowMs() - file.period;
    const activationsMs = actions.flatMap(({ kind, atMs, settledMs }) =>
      (kind === "rollback" || kind === "suspend") && atMs >= sinceMs && settledMs !== undefined
        ? [settledMs]
        : [],
    );
    return evaluate({ file, activationsMs, within: (span) => sums.get(span) ?? [] });
  }

  async function turnAlerts(): Promise<void> {
    const { alerts } = await report();
    const nowMs = clock.nowMs();
    for (const { name, firing, detail } of alerts) {
      if (await measures.setAlert({ name, firing, detail }, nowMs))
        log({ event: "alert", alert: name, firing, detail });
    }
    const names = new Set(alerts.map(({ name }) => name));
    for (const { name, firing } of await measures.listAlerts()) {
      if (firing && !names.has(name))
        await measures.setAlert({ name, firing: false, detail: "it is no longer measured" }, nowMs);
    }
  }

  async function tellAlerts(stopping: AbortSignal): Promise<void> {
    while (!stopping.aborted) {
      const alert = await measures.claimAlert(clock.nowMs(), LEASE_MS);
      if (alert === undefined) return;
      if (await parts.tell(alert, stopping)) await measures.settleAlert(alert.name, alert.change);
    }
  }

  async function judgeVersions(): Promise<void> {
    const file = parts.file();
    if (file.rollback.length === 0) return;
    for (const { state } of (await versions.states()).rows) {
      const rule =
        file.rollback.find(({ tool }) => tool === state.tool) ??
        file.rollback.find(({ tool }) => tool === "*");
      const candidate = rule && candidateOf(state, rule.within, clock.nowMs());
      if (candidate === undefined) continue;
      const labels = await parts.labelsOf(state.tool, candidate.version);
      const sums = await measures.sumsOf(state.tool, Math.max(candidate.sinceMs, clock.nowMs() - HOUR_MS));
      const judged = judgeCandidate(file, state.tool, sums, ({ version }) => labels.includes(version));
      if (judged === undefined) continue;
      log({ event: "rollback", tool: state.tool, version: candidate.version, ...judged });
      await parts.rollBack(state, judged.rule, judged.detail);
    }
  }

  async function look(): Promise<void> {
    await judgeVersions();
    await turnAlerts();
    if (clock.monotonicMs() - forgottenAt < FORGET_EVERY_MS) return;
    forgottenAt = clock.monotonicMs();
    await measures.forget(clock.nowMs());
  }

  return {
    report,
    look,
    tell: () => tellAlerts(new AbortController().signal),
    begin() {
      const stopping = new AbortController();
      let telling: Promise<void> | undefined;
      const onError = (error: unknown) => log({ event: "slo-not-read", error: String(error) });
      const work = async (): Promise<void> => {
        await look().catch(onError);
        // Not waited for: whoever is slow to hear of an alert must not keep a version in force.
        telling ??= tellAlerts(stopping.signal)
          .catch(onError)
          .finally(() => {
            telling = undefined;
          });
      };
      const stop = beginRounds({ clock, everyMs: () => LOOK_MS, work, onError });
      return async () => {
        stopping.abort();
        await stop();
        await telling;
      };
    },
  };
}
