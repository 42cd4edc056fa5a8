/**
 * What of a tool is in force: which version, which one beside it, from which version on, and whether at all. Plain data;
 * `choose.ts` reads it, `command.ts` changes it.
 */

/** A version that some of the runs are given, to see how it does. */
export interface Canary {
  readonly version: number;
  /** Of 10,000 runs, how many: 250 = 2.5 %. Which ones is decided by the run's id alone. */
  readonly basisPoints: number;
  /** Tenants all of whose runs are given it. */
  readonly tenants: readonly string[];
  readonly sinceMs: number;
}

/** Why and since when a tool does not run. */
export interface Suspension {
  /** In a word: callers are told it. */
  readonly reason: string;
  readonly sinceMs: number;
}

/** The oldest version that a tenant may be given. */
export interface Floor {
  /** `*` = every tenant. */
  readonly tenant: string;
  readonly version: number;
}

/** What gateways' folders had of a tool; see `folder.ts`. */
export interface FolderHistory {
  /** How many there were in all. */
  readonly count: number;
  /** The last of them, by version number, in order: one may stand there several times. */
  readonly versions: readonly number[];
}

/** What of one tool is in force. */
export interface ToolState {
  readonly tool: string;
  /** Number of the version that runs are given. */
  readonly active: number;
  readonly activatedAtMs: number;
  /** Versions that were active before, the latest last: where rolling back leads. */
  readonly earlier: readonly number[];
  readonly canary?: Canary;
  readonly suspended?: Suspension;
  readonly floors: readonly Floor[];
  /** Set where the active version was gone back to: there is no rule that takes back what was known to be good. */
  readonly wentBack?: true;
  /** Absent in what a Writ wrote that did not keep it. */
  readonly folders?: FolderHistory;
}

/** What an operator, or a rule of his, may ask for. */
export type ToolCommand =
  | { readonly kind: "activate"; readonly version: number }
  | {
      readonly kind: "canary";
      readonly version: number;
      readonly basisPoints: number;
      readonly tenants: readonly string[];
    }
  /** Ends a canary if there is one, else goes back to the version that was active before. */
  | { readonly kind: "rollback" }
  | { readonly kind: "suspend"; readonly reason: string }
  | { readonly kind: "resume" }
  /** Version 0 takes the floor away. */
  | { readonly kind: "floor"; readonly tenant: string; readonly version: number };

/** The names of commands. */
export const TOOL_COMMANDS = ["activate", "canary", "rollback", "suspend", "resume", "floor"] as const;
