/**
 * Which hosts a rule is about: one host by its canonical name, or everything below a name.
 *
 * `*.example.com` covers `a.example.com` and `a.b.example.com`, never `example.com` itself. A wildcard below a public
 * suffix (`*.com`, `*.co.uk`, `*.github.io`) is refused: anyone can register a name there, so it would permit the
 * attacker's host together with the one that was meant. A pattern whose base becomes a public suffix later than this
 * list is the remaining hole; the list is that of the pinned `tldts`.
 */
import { getDomain } from "tldts";
import { CANONICAL_HOST, isCanonicalHost } from "./host-name.ts";

const WILDCARD = "*.";

/** What {@link hostPatternFault} wants, as a phrase for messages. */
export const HOST_PATTERN = `${CANONICAL_HOST}; or "*." and such a name, for every host below it`;

/**
 * Judges a pattern.
 *
 * @param pattern attacker-controlled text
 * @returns the phrase that says what is wanted instead; undefined when it is a pattern
 */
export function hostPatternFault(pattern: string): string | undefined {
  const base = baseOf(pattern);
  if (base === undefined) return isCanonicalHost(pattern) ? undefined : HOST_PATTERN;
  if (base.includes(":") || !isCanonicalHost(base) || /^[0-9.]+$/.test(base)) return HOST_PATTERN;
  // Private suffixes count too: below `github.io` every name is somebody else's.
  const registrable = getDomain(base, { allowPrivateDomains: true, validateHostname: false });
  if (registrable !== null) return undefined;
  return `a wildcard below a name of one owner: anyone can register names below ${JSON.stringify(base)}`;
}

/**
 * Whether a pattern covers a host.
 *
 * @param pattern one that {@link hostPatternFault} passed
 * @param host canonical spelling, IPv6 without brackets; any other spelling matches nothing
 */
export function hostMatches(pattern: string, host: string): boolean {
  const base = baseOf(pattern);
  if (base === undefined) return pattern === host;
  // An exact rule can name canonical hosts only; a wildcard must not cover what no rule could say.
  return host.endsWith(`.${base}`) && isCanonicalHost(host);
}

/** @returns the pattern that covers exactly what both cover; undefined when that is nothing */
export function intersectHosts(a: string, b: string): string | undefined {
  const [baseA, baseB] = [baseOf(a), baseOf(b)];
  if (baseA === undefined) return hostMatches(b, a) ? a : undefined;
  if (baseB === undefined) return hostMatches(a, b) ? b : undefined;
  if (baseA === baseB || baseA.endsWith(`.${baseB}`)) return a;
  return baseB.endsWith(`.${baseA}`) ? b : undefined;
}

function baseOf(pattern: string): string | undefined {
  return pattern.startsWith(WILDCARD) ? pattern.slice(WILDCARD.length) : undefined;
}
