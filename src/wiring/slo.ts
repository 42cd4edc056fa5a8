/** Where service levels, versions and the way out meet: the operator's file, who is told, and who takes a version back. */
import { credentialsFor, type SecretProfile } from "../broker/index.ts";
import type { JsonValue } from "../core/policy/index.ts";
import type { SloFile } from "../core/slo/index.ts";
import { DEFAULT_SLOS, readSloFile, readWebhookSecret, type SloReport } from "../core/slo/index.ts";
import { newActionId, versionOf } from "../gateway/index.ts";
import type { Outgoing, OutgoingCredentials, Runtime, Store, TelemetrySink } from "../ports/index.ts";
import { commandTool, policyIdsOf } from "../registry/index.ts";
import {
  createMonitor,
  createRecorder,
  createWebhooks,
  type GaugeReading,
  type Monitor,
  type MonitorParts,
  type Webhook,
} from "../telemetry/index.ts";

/** What is promised, and who is told. */
export interface SloSettings {
  readonly file: SloFile;
  readonly hooks: readonly Webhook[];
}

/**
 * Reads the operator's file and the secrets that it names.
 *
 * @param path undefined = `slo.yaml` in the data folder when it is there, else the defaults
 * @throws {Error} naming every fault: a promise that is half understood is none
 */
export async function readSloSettings(
  { files }: Pick<Runtime, "files">,
  path: string | undefined,
  dataFolder: string,
): Promise<SloSettings> {
  const wanted = path ?? `${dataFolder}/slo.yaml`;
  const bytes = await files.read(wanted);
  if (bytes === undefined) {
    if (path === undefined) return { file: DEFAULT_SLOS, hooks: [] };
    throw new Error(`Cannot read service levels ${JSON.stringify(path)}: there is no such file`);
  }
  const read = readSloFile(new TextDecoder().decode(bytes));
  if (!read.ok) {
    const faults = read.faults.map((fault) => `${wanted}:${fault}`).join("\n");
    throw new Error(`Cannot use service levels:\n${faults}`);
  }
  const hooks: Webhook[] = [];
  for (const { url, secret_file, allow_addresses, profile } of read.file.webhooks) {
    const secret = readWebhookSecret(new TextDecoder().decode(await files.read(secret_file)));
    if (secret === undefined)
      throw new Error(
        `Cannot use webhook ${url}: ${JSON.stringify(secret_file)} has no secret of 24 bytes or more in base64`,
      );
    hooks.push({ url, secret, allowAddresses: allow_addresses, ...(profile && { profile }) });
  }
  return { file: read.file, hooks };
}

/**
 * What a webhook's profile gives.
 *
 * @throws {Error} when there is no such profile, or it is not for that URL
 */
export function hookCredentials(
  profiles: ReadonlyMap<string, SecretProfile>,
  name: string,
  url: string,
): OutgoingCredentials {
  const profile = profiles.get(name);
  if (profile !== undefined) return credentialsFor(profile, url);
  throw new Error(`Cannot use webhook ${url}: there is no secret profile ${JSON.stringify(name)}`);
}

/** What is promised and who is told, as plain JSON: to compare, to digest and to sign. Of secrets, the names of their files. */
export function sloState({ file }: SloSettings): JsonValue {
  // Members that are undefined are absent in JSON.
  return JSON.parse(JSON.stringify(file));
}

/** Service levels of a gateway that runs. */
export interface Slos {
  readonly sink: TelemetrySink;
  readonly monitor: Monitor;
  /** Stops looking, and writes what was counted. */
  stop(): Promise<void>;
}

/** Begins to count, to look and to tell. */
export function openSlos(parts: {
  readonly runtime: Pick<Runtime, "clock" | "entropy">;
  readonly store: Store;
  /** Those of this moment: an operator may change them while the gateway runs. */
  readonly settings: () => SloSettings;
  /** Secret profiles that webhooks may name. */
  readonly profiles: ReadonlyMap<string, SecretProfile>;
  readonly outgoing: Outgoing;
  readonly log: (line: object) => void;
}): Slos {
  const { store, settings, outgoing, log } = parts;
  const { clock } = parts.runtime;
  const recorder = createRecorder({
    measures: store.measures,
    clock,
    onError: (error) => log({ event: "counts-not-written", error: String(error) }),
  });
  const credentials = (name: string, url: string) => hookCredentials(parts.profiles, name, url);
  const tell = createWebhooks({ hooks: () => settings().hooks, credentials, outgoing, clock, log });
  const monitor = createMonitor(monitorParts(parts.runtime, store, () => settings().file, tell, log));
  const stopCounting = recorder.begin();
  const stopLooking = monitor.begin();
  return {
    sink: recorder,
    monitor,
    async stop() {
      await stopLooking();
      await stopCounting();
    },
  };
}

/** A report of a database, whether or not a gateway runs on it: nothing is turned, told or taken back. */
export function reportSlos(
  runtime: Pick<Runtime, "clock" | "entropy">,
  store: Store,
  file: SloFile,
): Promise<SloReport> {
  const nothing = () => undefined;
  return createMonitor(
    monitorParts(
      runtime,
      store,
      () => file,
      async () => true,
      nothing,
    ),
  ).report();
}

function monitorParts(
  { clock, entropy }: Pick<Runtime, "clock" | "entropy">,
  { measures, versions }: Store,
  file: MonitorParts["file"],
  tell: MonitorParts["tell"],
  log: MonitorParts["log"],
): MonitorParts {
  return {
    ...{ measures, versions, clock, file, tell, log },
    async labelsOf(tool, number) {
      const version = await versions.findVersion(tool, number);
      if (version === undefined) return [];
      return policyIdsOf(version).map((policy_id) =>
        versionOf({ artifact_hash: version.component, policy_id }),
      );
    },
    async rollBack(state, rule, note) {
      const context = { id: newActionId(clock, entropy), atMs: clock.nowMs(), by: `rule:${rule}`, note };
      await commandTool(versions, state.tool, { kind: "rollback" }, context, state);
    },
  };
}

/** A report as figures for a scrape. */
export function readingsOf({ objectives, alerts }: SloReport): readonly GaugeReading[] {
  return [
    ...objectives.flatMap(({ name, tool = "", value, target, budgetLeft }) => {
      const labels = { objective: name, tool };
      return [
        { name: "slo_value", help: "What is measured: ms, or a share", labels, value },
        { name: "slo_target", help: "What is promised: ms, or a share", labels, value: target },
        {
          name: "slo_budget_left",
          help: "What is left of the error budget, of 1",
          labels,
          value: budgetLeft,
        },
      ];
    }),
    ...alerts.map(({ name, firing }) => ({
      name: "slo_alert",
      help: "1 while the alert fires",
      labels: { alert: name },
      value: firing ? 1 : 0,
    })),
  ];
}
