/**
 * URL paths that everybody on the way reads alike. A path that a proxy, a framework or a file server might decode,
 * merge or resolve into another one has no canonical spelling here, and so matches no rule.
 */

/** The canonical spelling of a path, or why it has none. */
export type CanonicalPath =
  | { readonly kind: "ok"; readonly path: string }
  | { readonly kind: "refused"; readonly detail: string };

/** RFC 3986 `pchar`, and the slash between segments. */
const PATH_CHARACTERS = /^[A-Za-z0-9\-._~!$&'()*+,;=:@/%]*$/;
const UNRESERVED = /[A-Za-z0-9\-._~]/;
const MAX_PATH_LENGTH = 8192;

/**
 * Brings a path to its canonical spelling: percent-encoded unreserved characters decoded, hex digits in upper case.
 *
 * Refused, with the reason: a query or fragment, characters outside RFC 3986, broken or double percent-encoding,
 * encodings that are not UTF-8, encoded slashes, backslashes and control characters (also as look-alikes that
 * compatibility normalisation folds into them), empty segments, dot segments in any spelling (`..;x` included).
 *
 * @param path attacker-controlled; without query
 * @returns the spelling to compare with rules and to send
 * @see RFC 3986 section 6.2.2
 * @example
 * ```ts
 * canonicalPath("/v1/%66orecast"); // { kind: "ok", path: "/v1/forecast" }
 * canonicalPath("/v1/%2e%2e/admin"); // { kind: "refused", detail: "path contains a dot segment" }
 * ```
 */
export function canonicalPath(path: string): CanonicalPath {
  if (!path.startsWith("/")) return refuse('path does not begin with "/"');
  if (path.length > MAX_PATH_LENGTH) return refuse(`path is longer than ${MAX_PATH_LENGTH} characters`);
  if (path.includes("?") || path.includes("#")) return refuse("path contains a query or a fragment");
  if (path.includes("\\")) return refuse("path contains a backslash");
  if (!PATH_CHARACTERS.test(path)) return refuse("path contains a character that must be percent-encoded");
  const decoded = decode(path);
  if (decoded === undefined) return refuse("path contains percent-encoding that is not UTF-8");
  if (/%[0-9A-Fa-f]{2}/.test(decoded)) return refuse("path is percent-encoded twice");
  const composed = decoded.normalize("NFKC");
  const readings = composed === decoded ? [decoded] : [decoded, composed];
  const hidden =
    hiddenMeaning(path, readings) ?? controlFault(decoded) ?? readings.map(segmentFault).find(isFault);
  return hidden === undefined ? { kind: "ok", path: path.replace(/%../g, tidyTriplet) } : refuse(hidden);
}

/** `decodeURIComponent` refuses overlong and truncated UTF-8, which is what `%C0%AF` tries. */
function decode(path: string): string | undefined {
  try {
    return decodeURIComponent(path);
  } catch {
    return undefined;
  }
}

function hiddenMeaning(path: string, readings: readonly string[]): string | undefined {
  const slashes = path.split("/").length;
  for (const text of readings) {
    if (text.split("/").length !== slashes) return "path contains an encoded slash";
    if (text.includes("\\")) return "path contains an encoded backslash";
  }
  return undefined;
}

function controlFault(decoded: string): string | undefined {
  for (let at = 0; at < decoded.length; at += 1) {
    const code = decoded.charCodeAt(at);
    if (code < 0x20 || (code >= 0x7f && code < 0xa0)) return "path contains an encoded control character";
  }
  return undefined;
}

function isFault(fault: string | undefined): boolean {
  return fault !== undefined;
}

/** Some servers cut `;parameters` off a segment before they resolve dots, so the cut form is judged too. */
function segmentFault(decoded: string): string | undefined {
  const segments = decoded.split("/").slice(1);
  for (const [index, segment] of segments.entries()) {
    if (segment === "" && index < segments.length - 1) return "path contains an empty segment";
    const bare = segment.split(";", 1)[0]?.trim();
    if (bare === "." || bare === "..") return "path contains a dot segment";
  }
  return undefined;
}

function tidyTriplet(triplet: string): string {
  const character = String.fromCharCode(Number.parseInt(triplet.slice(1), 16));
  return UNRESERVED.test(character) ? character : triplet.toUpperCase();
}

function refuse(detail: string): CanonicalPath {
  return { kind: "refused", detail };
}
