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
  if (name.startsWith("wasi:http/")) {
    if (result === "destination-IP-prohibited") return changeForAddress(target);
    return word === "network_allowlist" ? changeForRequest(target) : undefined;
  }
  switch (word) {
    case "secret_profile":
      return `set secret_profile: ${quote(target)}`;
    case "secret_operations":
      return `add to secret_operations: ${quote(name.slice(name.indexOf("#") + 1))}`;
    case "tools":
      return changeForTool(target);
    case "keyvalue":
      return clause === "keyvalue"
        ? `set keyvalue: { buckets: [${quote(target)}], bytes: 64KiB }`
        : `add to keyvalue.buckets: ${quote(target)}`;
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

/** The policy permits it; where the name leads does not. Which address that is stays with the operator's own resolver. */
function changeForAddress(target: string): string {
  const [, , , v6, name] = DESTINATION.exec(target) ?? [];
  const host = v6 ?? name ?? "the host";
  return `add to the operator's egressAllow: ${quote(`<the address block of ${host}, unless egressBlock names it>`)}`;
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
