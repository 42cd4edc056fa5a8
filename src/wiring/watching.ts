/** Who looks over the gateway's shoulder, and what of it can be asked: metrics, service levels, traces. */
import type { SecretProfile } from "../broker/index.ts";
import type { GatewayParts } from "../gateway/index.ts";
import type { Cage, Outgoing, Runtime, Store } from "../ports/index.ts";
import { type Metrics, openTraces, type TraceOptions } from "../telemetry/index.ts";
import { openSlos, readingsOf, type SloSettings } from "./slo.ts";

/** What an operator wants to be told. */
export interface WatchSettings {
  readonly slo: () => SloSettings;
  /** Secret profiles that webhooks may name. */
  readonly profiles: ReadonlyMap<string, SecretProfile>;
  /** Where traces go; absent = nowhere, and nothing of them is made. */
  readonly traces?: Pick<TraceOptions, "endpoint" | "allowAddresses" | "credentials">;
}

/** What the gateway is given, and how it ends. */
export interface Watching extends Pick<GatewayParts, "sinks" | "metrics" | "slo"> {
  /** Writes what was counted, and stops looking. */
  stop(): Promise<void>;
}

/** Begins to watch. */
export async function openWatching(
  settings: WatchSettings,
  parts: {
    readonly runtime: Pick<Runtime, "clock" | "entropy">;
    readonly store: Store;
    readonly metrics: Metrics;
    readonly outgoing: Outgoing;
    /** Of Writ. */
    readonly version: string;
    readonly log: (line: object) => void;
  },
): Promise<Watching> {
  const { metrics } = parts;
  const traces = settings.traces && (await openTraces({ ...settings.traces, ...parts, ...parts.runtime }));
  const slos = openSlos({ ...parts, settings: settings.slo, profiles: settings.profiles });
  const report = () => slos.monitor.report();
  return {
    sinks: [metrics, slos.sink, ...(traces === undefined ? [] : [traces])],
    slo: report,
    // A scrape must not fail with the store: what this process counted is worth something by itself.
    metrics: async () => metrics.render(await report().then(readingsOf, () => [])),
    async stop() {
      await slos.stop();
      await traces?.stop();
    },
  };
}

/** Counts the processes that are started. */
export function countingSpawns(
  metrics: Metrics,
  spawn: Runtime["spawnExecutor"],
  runtime: Cage["runtime"],
): Runtime["spawnExecutor"] {
  return (role, cage) => {
    metrics.executorStarted(role);
    return spawn(role, { runtime, ...cage });
  };
}
