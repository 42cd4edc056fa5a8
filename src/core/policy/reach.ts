/**
 * What a policy can let a tool reach beside the network, once it has been read. Type aliases and not interfaces, so
 * that they are JSON by their type too.
 */
import type { Ports } from "./port-range.ts";

/** One tool of clause `tools`, and of its grant. Enforced by `broker/tools.ts`; `attenuate` narrows what is run. */
export type ToolRule = {
  readonly tool: string;
  /** Keys as the callee's policy spells them; sorted, never empty. */
  readonly functions: readonly string[];
  /** Calls of one run, all functions of the tool together. */
  readonly calls: number;
};

/** One place of clause `sockets`, and of its grant: outgoing TCP. Enforced by `broker/sockets.ts`. */
export type SocketRule = {
  /** Lower-case host name, `*.` and one for every host below it, or an IP literal where the operator really means one. */
  readonly host: string;
  readonly port: Ports;
};

/** What a tool may do with its secret besides having it sent; see clause `secret_operations`. */
export const SECRET_OPERATIONS = ["hmac-sha256", "sign", "reveal"] as const;
/** One of {@link SECRET_OPERATIONS}. */
export type SecretOperation = (typeof SECRET_OPERATIONS)[number];

/** What happens when a secret is found in what comes back or goes out. It is overwritten in either case. */
export type EchoPolicy = "redact" | "revoke";

/** Clause `keyvalue`, and the constraints of its grant. Enforced by `broker/keyvalue.ts` and the item store. */
export type KeyvalueClause = {
  /** Names that `open` may be given; sorted. */
  readonly buckets: readonly string[];
  /** Of keys and values of all buckets together, kept for one tenant of this tool. */
  readonly bytes: number;
  /** Of all buckets together. */
  readonly items: number;
  /** Calls of one run. */
  readonly operations: number;
};

/** Clause `filesystem`, and the constraints of its grant. */
export type FilesystemClause = {
  /** Bytes of a tree in memory that ends with the run, at `/`; 0 = there is none. */
  readonly scratch_bytes: number;
  /** Folders that the operator named, read-only. */
  readonly mounts: readonly { readonly name: string; readonly path: string }[];
  /** Files kept between runs, for one tenant of this tool. */
  readonly volume?: { readonly path: string; readonly bytes: number };
  /** Calls of one run that reach mounts and volume. */
  readonly operations: number;
};

/** One preopened directory. Both sides of the pipe number them by their place in {@link rootsOf}. */
export type Root =
  | { readonly kind: "scratch"; readonly path: "/"; readonly bytes: number }
  | { readonly kind: "mount"; readonly path: string; readonly name: string }
  | { readonly kind: "volume"; readonly path: string; readonly bytes: number };

/** The roots of a grant, in the order that gives them their numbers. */
export function rootsOf({ scratch_bytes, mounts, volume }: FilesystemClause): readonly Root[] {
  return [
    ...(scratch_bytes > 0 ? [{ kind: "scratch", path: "/", bytes: scratch_bytes } as const] : []),
    ...mounts.map(({ name, path }) => ({ kind: "mount", path, name }) as const),
    ...(volume === undefined ? [] : [{ kind: "volume", ...volume } as const]),
  ];
}
