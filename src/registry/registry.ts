/**
 * The registry: which tools there are. A value that never changes; what changes is which one is in force, and that in
 * one step, so nobody ever sees half of a change.
 */
import type { CapabilityWord, PolicyRecord } from "../core/policy/index.ts";
import type { SandboxComponent } from "../ports/index.ts";
import type { ComponentFunction, ComponentImport } from "./intake.ts";

/** A function of a tool. */
export interface ToolFunction extends ComponentFunction {
  /** From tool.json; empty when it says nothing. */
  readonly description: string;
}

/** One tool at one digest. */
export interface Tool {
  readonly name: string;
  readonly description: string;
  /** `sha256:<hex>` of the component: the tool's version. */
  readonly digest: string;
  /** Sorted by key. */
  readonly functions: readonly ToolFunction[];
  readonly imports: readonly ComponentImport[];
  /** Capability words that the component's imports need. */
  readonly needs: readonly CapabilityWord[];
  /** What the sandbox is given; its `digest` is the bare hex. */
  readonly component: SandboxComponent;
  /** Policies that name this tool; at most one per tier. */
  readonly policies: readonly PolicyRecord[];
}

/** All tools. */
export interface Registry {
  /** Sorted by name. */
  readonly tools: readonly Tool[];
  /** @returns the tool of that name in the version that is active, or `undefined` */
  find(name: string): Tool | undefined;
  /**
   * The version that a run is given: the active one, unless a canary takes it.
   *
   * @throws {GatewayError} `tool-suspended`
   */
  choose(name: string, run: RunToServe): Tool | undefined;
  /**
   * Tells when the tool is suspended, at once if it is already.
   *
   * @param revoke called at most once
   * @returns stops telling
   */
  onSuspended(name: string, revoke: (reason: string) => void): () => void;
}

/** What decides between two versions of a tool. */
export interface RunToServe {
  readonly tenant: string;
  readonly run: string;
}

/**
 * Where the registry in force is had from. INVARIANT: whoever begins a piece of work asks once and keeps what it got to
 * the end of that work, callees included: a run keeps the policies that it began with.
 */
export interface RegistrySource {
  current(): Registry;
  /**
   * Resolves once what `current` gives is what was in force a moment ago, at most; absent = it always is.
   *
   * @throws {GatewayError} `evidence-unavailable` when nobody can say
   */
  fresh?(): Promise<void>;
}

/** A source whose registry can be exchanged, by whoever loads it. */
export interface RegistryHolder extends RegistrySource {
  /** What is asked for from now on. Work under way keeps what it has. */
  replace(next: Registry): void;
}

/** @param first in force until it is replaced */
export function holdRegistry(first: Registry): RegistryHolder {
  let current = first;
  return {
    current: () => current,
    replace(next) {
      current = next;
    },
  };
}

/**
 * A registry of one version of each tool, none of them suspended.
 *
 * @param tools with names that differ
 */
export function createRegistry(tools: readonly Tool[]): Registry {
  const byName = new Map(tools.map((tool) => [tool.name, tool]));
  const sorted = Object.freeze([...byName.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1)));
  const find = (name: string) => byName.get(name);
  return Object.freeze({ tools: sorted, find, choose: find, onSuspended: () => () => undefined });
}

/**
 * Finds a function by its key, or by its bare name where only one interface has it.
 *
 * @param name attacker-controlled
 * @returns `undefined` when there is none, or when a bare name could mean several
 *
 * @example
 * ```ts
 * findFunction(tool, "forecast")?.key; // "weather/forecast"
 * ```
 */
export function findFunction(tool: Pick<Tool, "functions">, name: string): ToolFunction | undefined {
  const exact = tool.functions.find(({ key }) => key === name);
  if (exact !== undefined || name.includes("/")) return exact;
  const candidates = tool.functions.filter(({ function: func }) => func.name === name);
  return candidates.length === 1 ? candidates[0] : undefined;
}
