/**
 * The smallest change that would allow what was denied: a line of YAML for whoever may decide it. Pure, and a proposal
 * only: no policy is ever changed by it.
 *
 * It is made of what was asked for and of nothing that a policy says, so it may stand in a manifest, which the caller
 * holds. What was asked for is the guest's choice: every text of it is quoted, and nothing is proposed that is wider
 * than the one request that was denied.
 */
import { isCanonicalHost } from "./host-name.ts";
import type { HttpMethod, Reason } from "./types.ts";
import { canonicalPath } from "./url-path.ts";

/** A denial, as an event tells it. */
export interface DeniedImport {
  readonly import: string;
  readonly target?: string;
  readonly clause?: string;
  readonly result?: string;
}

const METHODS: readonly HttpMethod[] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
/** As `egress` writes a destination that it could read. */
const DESTINATION = /^([A-Z]+) (https?):\/\/(?:\[([0-9a-f:]+)\]|([^/:[\]]+)):([0-9]{1,5})(\/.*)$/;
/** As `sockets` writes a connection. */
const CONNECTION = /^tcp:\/\/(?:\[([0-9a-f:]+)\]|([^/:[\]]+)):([0-9]{1,5})$/;
/** More blocks than this are no smallest change. */
const MOST_BLOCKS = 8;
/** A target of that length was cut. */
const LONGEST_TARGET = 200;

/**
 * Finds the change for a denied import call.
 *
 * @returns `<what to do> <clause>: <what to write there>`, valid YAML on one line; undefined when no policy and no
 *   setting can allow it: the request itself is wrong, or this host does not offer it
 */
export function changeForImport({
  import: name,
  target = "",
  clause = "",
  result,
}: DeniedImport): string | undefined {
  const [word] = clause.split(/[[.;:]/, 1);
  switch (word) {
    case "egressAllow":
      return changeForAddress(clause);
    case "egressBlock":
      return `take out of the operator's egressBlock: ${quote(`<what covers ${hostOf(target)}>`)}`;
    case "network_allowlist":
      // Permitted, and prohibited for what no block can be named for: nothing to add to the rules.
      return result === "destination-IP-prohibited"
        ? undefined
        : withAddress(changeForRequest(target), clause);
    case "sockets":
      return result === "access-denied" ? changeForSocket(target) : undefined;
    case "secret_profile":
      return `set secret_profile: ${quote(target)}`;
    case "secret_operations":
      return `add to secret_operations: ${quote(name.slice(name.indexOf("#") + 1))}`;
    case "tools":
      return changeForTool(target);
    case "keyvalue":
      if (clause === "keyvalue.bytes") return changeForQuota(clause, result);
      return clause === "keyvalue"
        ? `set keyvalue: { buckets: [${quote(target)}], bytes: 64KiB }`
        : `add to keyvalue.buckets: ${quote(target)}`;
    case "filesystem":
      return changeForQuota(clause, result);
    default:
      return undefined;
  }
}

/**
 * Finds the change for a clause that denied a whole run.
 *
 * @param reason one that denies
 * @param asked what was asked for
 * @returns like {@link changeForImport}; undefined when it is no policy that stands in the way
 */
export function changeForDecision(
  { clause }: Reason,
  asked: { readonly tool: string; readonly function: string; readonly purpose: string },
): string | undefined {
  switch (clause) {
    case "functions":
      return `add to functions: { ${quote(asked.function)}: { operation: read } }`;
    case "purpose":
      return `add to purpose: [${quote(asked.purpose)}]`;
    case "tenant_tier":
      return `add to tenant_tier: ["<the caller's tier>"]`;
    case "tool_id":
      return `write a policy with tool_id: ${quote(asked.tool)}`;
    case "secret_profile":
      return 'set secret_profile: "<a profile that the operator keeps>"';
    case "secret_operations":
      return 'set secret_operations: ["<hmac-sha256, sign or reveal>"]';
    case "config":
      return "set config: {}";
    case "keyvalue":
      return 'set keyvalue: { buckets: ["<a name>"], bytes: 64KiB }';
    case "tools":
      return "set tools: []";
    default:
      return undefined;
  }
}

/** A rule of its own: to widen one that is there would permit more than was asked for. */
function changeForRequest(target: string): string | undefined {
  if (target.length >= LONGEST_TARGET) return undefined;
  const [, method, scheme, v6, name, port, rawPath = ""] = DESTINATION.exec(target) ?? [];
  const host = v6 ?? name ?? "";
  const path = canonicalPath(rawPath);
  if (!isCanonicalHost(host) || path.kind !== "ok" || path.path.includes("*")) return undefined;
  if (!METHODS.some((known) => known === method)) return undefined;
  const fields = [
    `host: ${quote(host)}`,
    `scheme: ${scheme}`,
    `port: ${Number(port)}`,
    `methods: [${method}]`,
    `paths: [${quote(path.path)}]`,
  ];
  return `add to network_allowlist: { ${fields.join(", ")} }`;
}

/**
 * The policy permits it; where the name leads does not. The block is the address itself: whoever may ask for the name is
 * told where it leads.
 */
function changeForAddress(clause: string): string | undefined {
  const [, listed = ""] = /^egressAllow: ([0-9a-f.:/, ]+)(?:;|$)/.exec(clause) ?? [];
  const blocks = listed.split(", ").filter((block) => /^[0-9a-f.:]+\/[0-9]+$/.test(block));
  if (blocks.length === 0 || blocks.length > MOST_BLOCKS) return undefined;
  return `add to the operator's egressAllow: [${blocks.map(quote).join(", ")}]`;
}

/** A rule for an address that is not public is half of a change: the other half is the operator's, and said beside it. */
function withAddress(change: string | undefined, clause: string): string | undefined {
  const [, block] = /; egressAllow: ([0-9a-f.:]+\/[0-9]+)$/.exec(clause) ?? [];
  if (change === undefined || block === undefined) return change;
  return `${change} # and ${changeForAddress(`egressAllow: ${block}`)}`;
}

/** The host of a request's or a connection's target. */
function hostOf(target: string): string {
  const [, , , v6, name] = DESTINATION.exec(target) ?? [];
  const [, socketV6, socketName] = CONNECTION.exec(target) ?? [];
  return v6 ?? name ?? socketV6 ?? socketName ?? "the host";
}

/** A place of its own, for the port that was asked for; a look-up does not say which that will be. */
function changeForSocket(target: string): string | undefined {
  if (target.length >= LONGEST_TARGET) return undefined;
  const [, v6, name, port] = CONNECTION.exec(target) ?? [];
  const host = v6 ?? name ?? target;
  if (!isCanonicalHost(host)) return undefined;
  return `add to sockets: { host: ${quote(host)}, port: ${port === undefined ? quote("<its port>") : Number(port)} }`;
}

/** @param result as the event says it: `over quota: more than 2000 bytes or 100 items` */
function changeForQuota(clause: string, result = ""): string | undefined {
  const [, bytes, items] = /^over quota: more than ([0-9]+) bytes(?: or ([0-9]+) items)?/.exec(result) ?? [];
  if (bytes === undefined) return undefined;
  const or = items === undefined ? "" : `, or more than ${items} of ${clause.replace(/bytes$/, "items")}`;
  return `raise ${clause}: ${quote(`<more than ${bytes}${or}>`)}`;
}

function changeForTool(target: string): string | undefined {
  const [tool = "", name = ""] = target.split(" ");
  if (!/^[a-z][a-z0-9-]{0,63}$/.test(tool) || !/^[A-Za-z0-9/-]{1,128}$/.test(name)) return undefined;
  return `add to tools: { tool: ${quote(tool)}, functions: [${quote(name)}] }`;
}

/** JSON's strings are YAML's double-quoted ones, and nothing in them can end the line. */
function quote(text: string): string {
  return JSON.stringify(text.toWellFormed());
}
