/** What an invocation needs of the rest of the house. Types only. */
import type { Accounts } from "../accounts/index.ts";
import type { Broker } from "../broker/index.ts";
import type { Decision } from "../core/policy/index.ts";
import type { Evidence } from "../evidence/index.ts";
import type { Journals } from "../journal/index.ts";
import type { Clock, Entropy, Observer, RunHost, Sandbox } from "../ports/index.ts";
import type { Registry } from "../registry/index.ts";
import type { Versions } from "./versions.ts";

/** Told of a run what passes through none of the rooms that are watched. */
export interface RunWatcher {
  /** Its span, 16 hex digits: before anything else of it. */
  span(run: string, spanId: string): void;
  /** A request of its guest met a dead connection, and was or was not made a second time. */
  resent(run: string, allowed: boolean): void;
}

/** What an invocation needs of the rest of the house. */
export interface InvokeParts {
  /** What was in force when the run began; its callees are found in it too. */
  readonly registry: Registry;
  readonly broker: Broker;
  readonly sandbox: Sandbox;
  readonly evidence: Evidence;
  readonly journals: Journals;
  readonly accounts: Accounts;
  readonly observer: Observer;
  readonly clock: Clock;
  /** By which runs and actions of several gateways are named and compared; default: `clock`. */
  readonly time?: Clock;
  readonly entropy: Entropy;
  readonly versions: Versions;
  /** Absent = nobody watches. */
  readonly watcher?: RunWatcher;
  /** Given what a guest logged and printed, bounded by its log budget: for the operator, never for the caller. */
  readonly diagnose: (run: string, diagnostics: RunHost["diagnostics"]) => void;
}

/** A decision that lets a run begin. */
export type Allowed = Extract<Decision, { kind: "allow" }>;
