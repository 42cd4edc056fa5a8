/** The gateway, assembled from its rooms. Knows ports, not Hono. */

import type { Accounts } from "../accounts/index.ts";
import type { Broker } from "../broker/index.ts";
import { GatewayError } from "../core/errors.ts";
import type { Principal } from "../core/policy/index.ts";
import type { Evidence } from "../evidence/index.ts";
import { type Identity, jwks } from "../identity/index.ts";
import type { Journals } from "../journal/index.ts";
import type {
  Clock,
  Entropy,
  NoteSigner,
  Observer,
  Sandbox,
  Signer,
  Store,
  TelemetrySink,
} from "../ports/index.ts";
import type { RegistrySource } from "../registry/index.ts";
import { describeTool, listTools } from "./catalogue.ts";
import { chargeback, reportOutcome } from "./chargeback.ts";
import { invoke } from "./invoke.ts";
import { issueKey, listKeys, revokeKey } from "./keys.ts";
import { readTile, writeTrustedRoot } from "./log.ts";
import { createOperator, type Operator } from "./operator.ts";
import type { InvokeParts } from "./parts.ts";
import { createReadiness } from "./readiness.ts";
import { findRecord, listRecords } from "./records.ts";
import { explain, findManifest, findRun, listRuns } from "./runs.ts";
import { requireScope } from "./scope.ts";
import type { Gateway, InvocationAnswer, InvocationRequest, Reloaded } from "./types.ts";
import type { Versions } from "./versions.ts";
import { watchInvocation } from "./watch.ts";

/** Everything a gateway is made of. */
export interface GatewayParts {
  readonly registry: RegistrySource;
  readonly identity: Identity;
  readonly broker: Broker;
  readonly sandbox: Sandbox;
  readonly evidence: Evidence;
  readonly journals: Journals;
  readonly accounts: Accounts;
  readonly observer: Observer;
  readonly store: Store;
  readonly signer: Signer;
  readonly noteSigner: NoteSigner;
  readonly clock: Clock;
  /** See {@link InvokeParts.time}. */
  readonly time?: Clock;
  readonly entropy: Entropy;
  readonly versions: Versions;
  /** Counters and histograms, as OpenMetrics text; default: there are none. */
  readonly metrics?: Operator["metrics"];
  /** How service levels stand; default: nothing is promised. */
  readonly slo?: Operator["slo"];
  /** Told of every run that is over; default: nobody is. */
  readonly sinks?: readonly TelemetrySink[];
  /** Reads the operator's files again; absent = there are none. */
  readonly reload?: (actor: string) => Promise<Reloaded>;
  /** What guests logged and printed. */
  readonly diagnose: InvokeParts["diagnose"];
}

/** @returns a gateway that serves until its parts are closed */
export function createGateway(parts: GatewayParts): Gateway {
  const { identity, registry, evidence, store, signer, noteSigner, clock, entropy, sinks = [] } = parts;
  /**
   * Invocations that have not come to their end, whose callers may be gone and which are sealed all the same; and what is
   * still to be told of those that have.
   */
  const underWay = new Set<Promise<unknown>>();

  function track(promise: Promise<unknown>): void {
    underWay.add(promise);
    const forget = () => void underWay.delete(promise);
    promise.then(forget, forget);
  }

  async function invokeNow(principal: Principal, request: InvocationRequest): Promise<InvocationAnswer> {
    await registry.fresh?.();
    // The registry is asked for once: a run and its callees keep what was in force when it began.
    const now = { ...parts, registry: registry.current() };
    if (sinks.length === 0) return await invoke(now, principal, request);
    return await watchInvocation({ clock, entropy, sinks, track }, now, request, (watched) =>
      invoke(watched, principal, request),
    );
  }

  return {
    operator: createOperator({
      versions: store.versions,
      clock: parts.time ?? clock,
      entropy,
      metrics:
        parts.metrics ?? (async () => ({ contentType: "application/openmetrics-text", text: "# EOF\n" })),
      slo: parts.slo ?? (async () => ({ objectives: [], alerts: [] })),
    }),
    authenticate: (authorization) => identity.authenticate(authorization),
    async invoke(principal, request) {
      const invoking = invokeNow(principal, request);
      track(invoking);
      return await invoking;
    },
    async settled() {
      while (underWay.size > 0) await Promise.allSettled(underWay);
    },
    listTools: async (principal) => listTools(registry.current(), principal),
    describeTool: async (principal, tool) => describeTool(registry.current(), principal, tool),
    listRuns: (principal, page) => listRuns(store, principal, page),
    findRun: (principal, run) => findRun(store, principal, run),
    findManifest: (principal, run, proof) => findManifest(store, evidence, principal, run, proof),
    explainRun: (principal, run) => explain(store, principal, run),
    async reload(principal) {
      requireScope(principal, "operate");
      const reload = parts.reload ?? nothingToRead;
      return await reload(principal.id);
    },
    listRecords: (principal, page) => listRecords(store, principal, page),
    findRecord: (principal, action) => findRecord(store, evidence, principal, action),
    reportOutcome: (principal, task, outcome) =>
      reportOutcome(parts.accounts.books, principal, task, outcome),
    chargeback: (principal, request) => chargeback(parts.accounts.books, principal, request),
    issueKey: (principal, request) => issueKey(parts, principal, request),
    listKeys: (principal, page) => listKeys(parts, principal, page),
    revokeKey: (principal, id) => revokeKey(parts, principal, id),
    jwks: async () => jwks(await signer.keys()),
    trustedRoot: () => writeTrustedRoot(noteSigner),
    checkpoint: () => evidence.checkpoint(),
    logTile: (name) => readTile(store, name),
    ready: createReadiness(parts),
  };
}

async function nothingToRead(): Promise<never> {
  const faults = ["this gateway was started without files of an operator"];
  throw new GatewayError("Cannot reload: there are no files", { code: "reload-refused", faults });
}
