/**
 * The operator's outgoing proxy: a tunnel by HTTP CONNECT, made before the guest's first byte.
 *
 * It comes from the operator's configuration and never from HTTP_PROXY or its kin. Names are resolved and addresses
 * judged here all the same, and the proxy is asked for the judged address: it chooses nothing. What its far end is
 * connected to can not be seen from here; TLS for the policy's host is what says so.
 */
import { EgressFailure } from "./errors.ts";
import type { Socket } from "./socket.ts";

/** Where the proxy is. */
export interface EgressProxy {
  /** A literal address, or a name that the resolver knows; judged by nobody, since the operator named it. */
  readonly host: string;
  readonly port: number;
  /** Value of Proxy-Authorization; absent = none is sent. */
  readonly authorization?: string;
}

/** Most bytes of the proxy's answer. */
const LARGEST_ANSWER = 16 * 1024;

/**
 * Reads a proxy's URL.
 *
 * @param text `http://proxy.example:3128`, with `user:password@` where it wants them
 * @throws {RangeError} when it is anything else; the message does not repeat it, for it may hold a password
 */
export function parseProxy(text: string): EgressProxy {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (
    url === undefined ||
    url.protocol !== "http:" ||
    url.pathname !== "/" ||
    url.search !== "" ||
    url.hash !== ""
  ) {
    throw new RangeError("Cannot use the outgoing proxy: wanted a URL such as http://proxy.example:3128");
  }
  const { username, password } = url;
  const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return {
    host: url.hostname.replace(/^\[|\]$/g, ""),
    port: url.port === "" ? 80 : Number(url.port),
    ...(username === "" && password === "" ? {} : { authorization: `Basic ${base64(credentials)}` }),
  };
}

/**
 * Asks a proxy for a tunnel. The socket is destroyed whenever this throws.
 *
 * @param socket connected to the proxy, nothing sent yet
 * @param address judged, canonical
 * @throws {EgressFailure} when the proxy answers anything but 2xx
 */
export async function openTunnel(
  socket: Socket,
  proxy: EgressProxy,
  {
    address,
    port,
    signal,
  }: { readonly address: string; readonly port: number; readonly signal: AbortSignal },
): Promise<void> {
  const authority = address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
  const lines = [
    `CONNECT ${authority} HTTP/1.1`,
    `Host: ${authority}`,
    ...(proxy.authorization === undefined ? [] : [`Proxy-Authorization: ${proxy.authorization}`]),
  ];
  const onAbort = () => socket.destroy();
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    socket.write(`${lines.join("\r\n")}\r\n\r\n`);
    const head = await readHead(socket);
    if (/^HTTP\/1\.[01] 2[0-9][0-9][ \r]/.test(head)) return;
    throw new EgressFailure({ tag: "destination-unavailable" });
  } catch (error) {
    socket.destroy();
    throw signal.aborted ? signal.reason : error;
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

/** Reads up to the blank line; what stands behind it goes back. */
async function readHead(socket: Socket): Promise<string> {
  let head = "";
  for (;;) {
    const chunk: unknown = socket.read();
    if (chunk instanceof Uint8Array) {
      const before = head.length;
      head += Array.from(chunk, (byte) => String.fromCharCode(byte)).join("");
      const end = head.indexOf("\r\n\r\n");
      if (end >= 0) {
        const rest = chunk.subarray(end + 4 - before);
        if (rest.length > 0) socket.unshift(rest);
        return head.slice(0, end + 4);
      }
      if (head.length > LARGEST_ANSWER) throw new EgressFailure({ tag: "destination-unavailable" });
      continue;
    }
    if (socket.destroyed || socket.readableEnded) throw new EgressFailure({ tag: "connection-terminated" });
    await readable(socket);
  }
}

/** Waits until there is something to read, or never will be. */
export function readable(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    const events = ["readable", "end", "close", "error"] as const;
    const done = () => {
      for (const event of events) socket.off(event, done);
      resolve();
    };
    for (const event of events) socket.on(event, done);
  });
}

function base64(text: string): string {
  return btoa(Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte)).join(""));
}
