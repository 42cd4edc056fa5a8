/** What the operator forbids to every tool, whatever a policy or a profile permits. Pure. */
import { hostPatternFault } from "../../core/policy/index.ts";
import { type AddressBlock, parseBlock } from "./addresses.ts";

/** The operator's list, parsed. It is asked after every permission, so it wins over all of them. */
export interface BlockList {
  readonly addresses: readonly AddressBlock[];
  /** Host names, or `*.` and a name for every host below it. */
  readonly hosts: readonly string[];
}

/** Forbids nothing. */
export const NOTHING_BLOCKED: BlockList = { addresses: [], hosts: [] };

/**
 * Reads the list.
 *
 * @param items CIDR blocks and host patterns, e.g. `203.0.113.0/24`, `evil.example`, `*.evil.example`; a wildcard may
 *   stand below a public suffix here, where it forbids instead of permitting
 * @throws {RangeError} naming the first that is neither
 */
export function parseBlockList(items: readonly string[]): BlockList {
  return {
    addresses: items.filter((item) => item.includes("/")).map(parseBlock),
    hosts: items.filter((item) => !item.includes("/")).map(parseHost),
  };
}

/** Whether a host is on the list. @param host lower-case; a name that no rule could spell is judged all the same */
export function isHostBlocked({ hosts }: BlockList, host: string): boolean {
  return hosts.some((pattern) =>
    pattern.startsWith("*.") ? host.endsWith(pattern.slice(1)) : host === pattern,
  );
}

function parseHost(item: string): string {
  const name = item.replace(/^\*\./, "");
  // A name of one label (`com`) is a host too; only its spelling matters here.
  if (hostPatternFault(name) === undefined && !(item !== name && /[:]|\d$/.test(name))) return item;
  throw new RangeError(`Cannot block "${item}": wanted CIDR text, a host name, or "*." and a host name`);
}
