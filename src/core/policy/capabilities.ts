/**
 * The one place that knows which WIT interface belongs to which capability word, how risky it is, and which clause
 * of a policy unlocks it. A new capability is one row here and one file in `broker/`.
 *
 * Three kinds of row: words that a decision grants; `io`, plumbing without an effect of its own, which needs no
 * grant; and words that are known and refused at every call. An interface in no row refuses the component.
 */
import type { CapabilityWord } from "./types.ts";

/**
 * What a reviewer should think of an import: R0 pure, R1 clocks and random, R2 handle of a secret, R3 egress to
 * fixed hosts, R4 write, payment or any host, R5 files, processes or unknown.
 */
export type RiskClass = "R0" | "R1" | "R2" | "R3" | "R4" | "R5";

/** Words that no policy of this version can grant. */
export type RefusedWord = "udp";

interface CapabilityFacts {
  /** What it lets a guest do, for operators, reviewers and vendors. */
  readonly sentence: string;
  readonly risk: RiskClass;
  /** What a use takes of the budget, beside the fuel of every host call, and what it leaves in the evidence. */
  readonly cost: string;
  /** The file that makes it live, below `src/`; null = the executor serves it alone, for nothing outside is reached. */
  readonly broker: string | null;
  /** Interfaces it unlocks, `namespace:package/name` without version. */
  readonly interfaces: readonly string[];
}

/** Clauses of a policy that unlock a capability. */
export type CapabilityClause =
  | "network_allowlist"
  | "secret_profile"
  | "secret_operations"
  | "config"
  | "keyvalue"
  | "filesystem"
  | "sockets"
  | "tools";

/** A capability that a run can have. */
export interface ServedCapability extends CapabilityFacts {
  readonly served: true;
  /** `io` is plumbing: never granted, never denied. */
  readonly word: CapabilityWord | "io";
  /** Clause of the policy that unlocks it; null = none is needed. */
  readonly clause: CapabilityClause | null;
  /** Language runtimes import it whether a tool uses it or not: without its clause it is there and empty. */
  readonly ambient?: true;
}

/** A capability that is present as a refusing stub, because language runtimes import it whether a tool uses it or not. */
export interface RefusedCapability extends CapabilityFacts {
  readonly served: false;
  readonly word: RefusedWord;
  readonly clause: null;
}

/** One row of the table. */
export type Capability = ServedCapability | RefusedCapability;

/** The table. Granted words come in the order in which decisions list their grants. */
export const CAPABILITIES: readonly Capability[] = [
  {
    served: true,
    word: "http-client",
    cost: "one of budget.requests; every byte on the wire, both ways, of budget.egress_bytes; an event for each request",
    broker: "broker/http-client.ts",
    sentence:
      "Sends HTTP requests to what network_allowlist names; with an empty list every request is denied",
    risk: "R3",
    interfaces: ["wasi:http/types", "wasi:http/outgoing-handler", "wasi:http/client"],
    clause: "network_allowlist",
  },
  {
    served: true,
    word: "secrets",
    cost: "an event for each handle",
    broker: "broker/secrets.ts",
    sentence: "Holds opaque handles of the profile's secrets; their values stay with the broker",
    risk: "R2",
    interfaces: ["writ:host/secrets"],
    clause: "secret_profile",
  },
  {
    served: true,
    word: "log",
    cost: "the entry's bytes, of budget.log_bytes",
    broker: "broker/log.ts",
    sentence:
      "Writes log entries, up to budget.log_bytes; their number, size and digest go into the evidence",
    risk: "R0",
    interfaces: ["writ:host/log", "wasi:logging/logging"],
    clause: null,
  },
  {
    served: true,
    word: "run-info",
    cost: "none beyond the call",
    broker: null,
    sentence: "Reads the run's own id, trace id, tool, function, purpose and what is left of its time",
    risk: "R0",
    interfaces: ["writ:host/run-info"],
    clause: null,
  },
  {
    served: true,
    word: "clocks",
    cost: "none beyond the call",
    broker: null,
    sentence: "Reads clocks, coarsened to 1 ms; the time zone is UTC",
    risk: "R1",
    interfaces: [
      "wasi:clocks/monotonic-clock",
      "wasi:clocks/wall-clock",
      "wasi:clocks/system-clock",
      "wasi:clocks/timezone",
    ],
    clause: null,
  },
  {
    served: true,
    word: "random",
    cost: "none beyond the call",
    broker: null,
    sentence: "Reads random bytes, so equal inputs may give unequal outputs",
    risk: "R1",
    interfaces: ["wasi:random/random", "wasi:random/insecure", "wasi:random/insecure-seed"],
    clause: null,
  },
  {
    served: true,
    word: "stdio",
    cost: "the bytes written, of budget.log_bytes",
    broker: "broker/stdio.ts",
    sentence: "Writes to standard output and error, captured up to budget.log_bytes; standard input is empty",
    risk: "R0",
    interfaces: [
      "wasi:cli/stdin",
      "wasi:cli/stdout",
      "wasi:cli/stderr",
      "wasi:cli/terminal-input",
      "wasi:cli/terminal-output",
      "wasi:cli/terminal-stdin",
      "wasi:cli/terminal-stdout",
      "wasi:cli/terminal-stderr",
    ],
    clause: null,
  },
  {
    served: true,
    word: "environment",
    cost: "none beyond the call",
    broker: null,
    sentence:
      "Reads the variables of environment and the texts of arguments, of which there are none unless the policy names them, and may end its own run",
    risk: "R0",
    interfaces: ["wasi:cli/environment", "wasi:cli/exit"],
    clause: null,
  },
  {
    served: true,
    word: "config",
    cost: "none beyond the call",
    broker: null,
    sentence: "Reads the keys and texts that the policy names in config",
    risk: "R0",
    interfaces: ["wasi:config/store"],
    clause: "config",
  },
  {
    served: true,
    word: "keyvalue",
    cost: "one of keyvalue.operations for each key; bytes and items of the quota; an event for each function and bucket",
    broker: "broker/keyvalue.ts",
    sentence:
      "Keeps keys and values between runs, apart for each tenant and tool, in the buckets that keyvalue names and up to its quota",
    risk: "R4",
    interfaces: ["wasi:keyvalue/store", "wasi:keyvalue/atomics", "wasi:keyvalue/batch"],
    clause: "keyvalue",
  },
  {
    served: true,
    word: "filesystem",
    cost: "bytes of the scratch or of the volume's quota; one of filesystem.operations and an event for each look outside",
    broker: "broker/filesystem.ts",
    sentence:
      "Opens the directories that filesystem names and no other: a scratch in memory, folders of the operator read-only, files kept for a tenant; without the clause there are none",
    risk: "R5",
    interfaces: ["wasi:filesystem/types", "wasi:filesystem/preopens"],
    clause: "filesystem",
    ambient: true,
  },
  {
    served: true,
    word: "sockets",
    cost: "one of budget.requests for each look-up and connection; every byte, both ways, of budget.egress_bytes; an event for each",
    broker: "broker/sockets.ts",
    sentence:
      "Looks up and connects to what sockets names, by TCP and outward only; without the clause, for listening and for datagrams, every call answers `access-denied`",
    risk: "R4",
    interfaces: [
      "wasi:sockets/network",
      "wasi:sockets/instance-network",
      "wasi:sockets/tcp",
      "wasi:sockets/tcp-create-socket",
      "wasi:sockets/ip-name-lookup",
      // Of WASI 0.3: both kinds of socket, of which the one for datagrams is refused as in 0.2.
      "wasi:sockets/types",
    ],
    clause: "sockets",
    ambient: true,
  },
  {
    served: true,
    word: "tools",
    cost: "the callee's fuel, time, requests and bytes, all of this run's budget; an event for each call",
    broker: "broker/tools.ts",
    sentence:
      "Calls functions of other tools that tools names, each under its own policy narrowed by this one's, on this run's budget",
    risk: "R4",
    interfaces: ["writ:host/tools"],
    clause: "tools",
  },
  {
    served: true,
    word: "signing",
    cost: "an event for each signature",
    broker: "broker/signing.ts",
    sentence: "Has the broker sign with the profile's secret, which it never sees",
    risk: "R3",
    interfaces: ["writ:host/signing"],
    clause: "secret_operations",
  },
  {
    served: true,
    word: "reveal",
    cost: "an event for each use",
    broker: "broker/signing.ts",
    sentence: "Reads the text of the profile's secret: it can leak it; each use is an event",
    risk: "R5",
    interfaces: ["writ:host/reveal"],
    clause: "secret_operations",
  },
  {
    served: true,
    word: "io",
    cost: "none beyond the call",
    broker: null,
    sentence: "Streams and polling that other capabilities pass around; without them it reaches nothing",
    risk: "R0",
    interfaces: [
      "wasi:io/error",
      "wasi:io/poll",
      "wasi:io/streams",
      // Of WASI 0.3, where streams are no interface: names of types.
      "wasi:clocks/types",
      "wasi:cli/types",
    ],
    clause: null,
  },
  {
    served: false,
    word: "udp",
    cost: "an event for each function that is tried",
    broker: "broker/refused.ts",
    sentence:
      "Present as a refusing stub: every call answers `access-denied`; a policy can permit requests and TCP connections",
    risk: "R4",
    interfaces: ["wasi:sockets/udp", "wasi:sockets/udp-create-socket"],
    clause: null,
  },
];

/** Every word that can be granted, in the order in which decisions list their grants. */
export const CAPABILITY_WORDS: readonly CapabilityWord[] = CAPABILITIES.flatMap((row) =>
  row.served && row.word !== "io" ? [row.word] : [],
);

const BY_INTERFACE: ReadonlyMap<string, Capability> = new Map(
  CAPABILITIES.flatMap((row) => row.interfaces.map((name) => [name, row] as const)),
);

/**
 * Finds the capability that an interface belongs to.
 *
 * @param interfaceName `namespace:package/name`, with or without `@version`; the version is not judged here
 * @returns its row, or undefined: then the component that imports it is refused
 */
export function capabilityOf(interfaceName: string): Capability | undefined {
  return BY_INTERFACE.get(interfaceName.split("@", 1)[0] ?? "");
}

/**
 * The words a component needs granted, for a `DecisionRequest`.
 *
 * Plumbing, refused and unknown interfaces add nothing: intake judges whether a component may import them at all.
 *
 * @param interfaceNames the component's imports, from its decoded binary
 * @returns each word once, in the order of the table
 */
export function needsOf(interfaceNames: readonly string[]): readonly CapabilityWord[] {
  const needed = new Set(interfaceNames.map((name) => capabilityOf(name)?.word));
  return CAPABILITY_WORDS.filter((word) => needed.has(word));
}
