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
  /** @returns the tool of that name, or `undefined` */
  find(name: string): Tool | undefined;
}

/**
 * Where the registry in force is had from. INVARIANT: whoever begins a piece of work asks once and keeps what it got to
 * the end of that work, callees included: a run keeps the policies that it began with.
 */
export interface RegistrySource {
  current(): Registry;
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

/** @param tools with names that differ */
export function createRegistry(tools: readonly Tool[]): Registry {
  const byName = new Map(tools.map((tool) => [tool.name, tool]));
  const sorted = Object.freeze([...byName.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1)));
  return Object.freeze({ tools: sorted, find: (name: string) => byName.get(name) });
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
