/** What is checked of every request before any route sees it: whom it is addressed to, where it comes from, its size. */
import type { App } from "./context.ts";
import { PlainError } from "./problem.ts";

const MAX_URL_LENGTH = 8192;

/** Names that reach this machine only: what a gateway is addressed by unless the operator says otherwise. */
export const LOOPBACK_HOSTS: readonly string[] = ["localhost", "127.0.0.1", "[::1]"];

/**
 * @param request any request, attacker-controlled
 * @returns why it is refused, or `undefined`
 */
export function refuseAtDoor(request: Request, app: App): PlainError | undefined {
  if (request.url.length > MAX_URL_LENGTH) {
    return new PlainError(414, `The URL is longer than ${MAX_URL_LENGTH} characters`);
  }
  if (headerBytes(request.headers) > app.maxHeaderBytes) {
    return new PlainError(431, `The header fields are larger than ${app.maxHeaderBytes} bytes together`);
  }
  // Both are checked: a request in absolute form may name one host in its target and another in its header.
  const names = [request.headers.get("host"), new URL(request.url).host];
  if (names.some((name) => name !== null && !app.allowedHosts.includes(hostName(name)))) {
    return new PlainError(421, "This gateway is not addressed by that host name");
  }
  const origin = request.headers.get("origin");
  if (origin !== null && !app.allowedOrigins.includes(origin)) {
    return new PlainError(403, "Requests from web pages of that origin are not allowed");
  }
  return undefined;
}

function headerBytes(headers: Headers): number {
  let bytes = 0;
  // Every header counts as on the wire: name, value, colon, space, line end.
  headers.forEach((value, name) => {
    bytes += name.length + value.length + 4;
  });
  return bytes;
}

/** Lower case, port dropped: rebinding changes names, not ports. */
function hostName(host: string): string {
  return host.toLowerCase().replace(/:\d*$/, "");
}
