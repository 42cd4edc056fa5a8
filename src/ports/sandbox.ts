/** Running a prepared component in a locked-down executor process. Implemented by `sandbox/`. */
import type { WitFunction } from "../core/component/index.ts";
import type { RunInputs } from "../core/journal/index.ts";
import type { Outcome } from "../core/manifest/index.ts";
import type { ProfileNode } from "../core/metering/host/index.ts";
import type { IsolationLevel, JsonValue } from "../core/policy/index.ts";
import type { RunHost } from "./host-calls.ts";
import type { SystemCage } from "./runtime.ts";

/** One import interface of a component, and what serves it. */
export interface ImportBinding {
  /** As the component spells it, e.g. `wasi:http/types@0.2.12`. */
  readonly name: string;
  /** `true` = the executor's own implementation; `false` = every function is a refusing stub. */
  readonly served: boolean;
  readonly functions: readonly WitFunction[];
  readonly resources: readonly string[];
}

/** A component that passed intake, as the sandbox needs it. */
export interface SandboxComponent {
  /** Hex sha256 of `bytes`. */
  readonly digest: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly imports: readonly ImportBinding[];
  /** Names of all exported functions, `interface/function` or `function` keys to JavaScript paths. */
  readonly exports: readonly {
    readonly interface: string | null;
    readonly functions: readonly WitFunction[];
  }[];
}

/**
 * What a guest reads without a call to the broker: a function of the policy alone, and no secret. It goes along with
 * the run, because a guest may ask while it is instantiated, when nothing can wait.
 */
export interface GuestSettings {
  readonly environment: readonly (readonly [name: string, value: string])[];
  /** With the program's name first; empty when none are granted. */
  readonly arguments: readonly string[];
  readonly config: readonly (readonly [key: string, value: string])[];
  /** What is preopened, in the order in which the broker numbers them. */
  readonly roots: readonly {
    readonly path: string;
    /** `scratch` is served by the executor alone, the others by the broker. */
    readonly kind: "scratch" | "mount" | "volume";
    /** Quota; 0 for a mount. */
    readonly bytes: number;
  }[];
}

/** One run. */
export interface SandboxRun {
  readonly run: string;
  readonly tenant: string;
  readonly component: SandboxComponent;
  /** Exported interface as the component spells it, or null for a function of the world itself. */
  readonly interface: string | null;
  readonly function: WitFunction;
  /** Checked against the function's type already. */
  readonly input: JsonValue;
  readonly fuel: number;
  readonly memoryBytes: number;
  readonly outputBytes: number;
  /** Time to live in ms from now, waiting for an executor included. */
  readonly timeToLiveMs: number;
  /** Absent = nothing is granted. */
  readonly settings?: GuestSettings;
  /** What the guest reads as `writ:host/run-info`. */
  readonly info: { readonly traceId: string; readonly tool: string; readonly purpose: string };
  readonly host: RunHost;
  /**
   * Tells when the run may not go on: then it ends as `revoked` with that reason, wherever it is. Absent = it may.
   *
   * @param revoke called at most once; at once, when it may not even begin
   * @returns stops telling
   */
  readonly onRevoked?: (revoke: (reason: string) => void) => () => void;
  /** Lets relaxed SIMD run, whose results differ between machines. Default false: such a component is refused. */
  readonly relaxedSimd?: boolean;
  /** Whether to tell fuel by function. It takes time, and the same fuel. Default false. */
  readonly profiled?: boolean;
  /**
   * `note`: calls and end carry all that the run depends on. `replay`: it depends on this; `lenient` = where it leaves
   * the trace it goes on, in a time of its own in which nothing takes any. Default neither.
   */
  readonly inputs?:
    | { readonly kind: "note" }
    | ({ readonly kind: "replay"; readonly lenient?: boolean } & Required<RunInputs>);
}

/** How the executor says the run ended; all but fuel and memory readings is checked before it is believed. */
export interface SandboxEnd {
  readonly outcome: Outcome;
  /** Present when the guest returned, an `err` included: checked against the function's result type. */
  readonly output?: JsonValue;
  /**
   * `sha256:<hex>` of the canonical JSON that the guest returned, where a secret in it was overwritten or all of it
   * withheld: what a replay, which knows no secrets, returns again.
   */
  readonly returnedHash?: string;
  /** Null when the executor had to be killed. */
  readonly fuelUsed: number | null;
  readonly memoryPeakBytes: number | null;
  readonly outputBytes: number;
  readonly wallMs: number;
  /** Of `wallMs`, what it waited for an executor; absent = it waited for none. */
  readonly queuedMs?: number;
  /** Of a profiled run that its executor reported on: as it says, and checked for its form alone. */
  readonly profile?: readonly ProfileNode[];
  /** Of a noted run that was begun. */
  readonly inputs?: RunInputs;
}

/** What kind of cage the runs get; read back from inside an executor at its start. */
export interface Isolation {
  readonly level: IsolationLevel;
  /** Restrictions seen to hold: `no-environment`, `no-network` … */
  readonly verified: readonly string[];
  /** Runtime and version of the executor. */
  readonly executor: string;
  /** What the operating system adds. */
  readonly system: SystemCage;
  /** Stronger cages that do not hold here, and why, for the operator. */
  readonly refused: readonly { readonly system: SystemCage; readonly why: string }[];
}

/** One step of preparing a component, as the process that did it says: for people, and for nothing else. */
export interface PreparationStep {
  /**
   * `decode`: types, names and borders read and held against the specification. `plan`: its links. `validate`: its core
   * modules, by the engine. `meter`: fuel, depth and memory written in. `compile`: the engine takes what came of that.
   */
  readonly step: "decode" | "plan" | "validate" | "meter" | "compile";
  /** Whole ms. */
  readonly ms: number;
}

/** How a component was prepared. */
export interface Preparation {
  /** Empty when it was prepared before, and was only read and verified now. */
  readonly steps: readonly PreparationStep[];
  /** Bytes that an executor is given. */
  readonly bytes: number;
}

/** The executor pool. */
export interface Sandbox {
  readonly isolation: Isolation;
  /**
   * Plans, meters and compiles a component, once per digest; cached on disk.
   *
   * @param repeatable for runs whose inputs are noted or replayed; default false
   * @param relaxedSimd for runs that may use it; default false
   * @throws {GatewayError} `component-refused`
   */
  prepare(
    component: SandboxComponent,
    memoryBytes: number,
    repeatable?: boolean,
    relaxedSimd?: boolean,
  ): Promise<Preparation>;
  /**
   * @returns the end of the run, always: a dead executor is an outcome
   * @throws {GatewayError} `sandbox-unavailable` when no executor became free in time: then nothing ran
   */
  run(run: SandboxRun): Promise<SandboxEnd>;
  /** Ends runs under way as `revoked`, then the executors. */
  close(): Promise<void>;
}
