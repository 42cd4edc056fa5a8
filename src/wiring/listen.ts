/** Where a gateway listens, and under which names it may be asked; and the demo's service beside it. */
import type { ServeConfig } from "../cli/index.ts";
import { createDemo, DEMO_ADDRESS, DEMO_KEY } from "../demo/index.ts";
import type { Gateway } from "../gateway/index.ts";
import { createApp, LOOPBACK_HOSTS } from "../http/index.ts";
import type { HttpServer, Runtime } from "../ports/index.ts";

/** Found out before the long work of preparing, not after it. */
export async function requireFreePort(runtime: Runtime, { host, port }: ServeConfig): Promise<void> {
  try {
    const trial = await runtime.serve(() => new Response(null, { status: 503 }), { hostname: host, port });
    await trial.close();
  } catch (cause) {
    if (!isAddressInUse(cause)) throw cause;
    throw new Error(`Cannot listen on ${host}:${port}: the port is in use; choose another with --port`, {
      cause,
    });
  }
}

function isAddressInUse(error: unknown): boolean {
  return (
    error instanceof Error &&
    /EADDRINUSE|AddrInUse|address already in use/i.test(`${error.name} ${error.message}`)
  );
}

/** @returns undefined when the port is taken, most likely by the demo of another gateway: that one will do */
export async function serveDemo(runtime: Runtime): Promise<HttpServer | undefined> {
  try {
    return await runtime.serve(createDemo({ key: DEMO_KEY }), DEMO_ADDRESS);
  } catch (error) {
    if (isAddressInUse(error)) return undefined;
    throw error;
  }
}

/** Begins to answer. @param version of Writ, as answers say it */
export async function listen(
  runtime: Runtime,
  gateway: Gateway,
  config: ServeConfig,
  version: string,
  log: (line: object) => void,
): Promise<HttpServer> {
  const { host, port, publicUrl } = config;
  // The port may be any that is free, and links name it: so nothing is answered before it is known.
  let app: ReturnType<typeof createApp> | undefined;
  const handle = (request: Request) => app?.fetch(request) ?? new Response(null, { status: 503 });
  const server = await runtime.serve(handle, { hostname: host, port });
  app = createApp(gateway, {
    version,
    baseUrl: publicUrl ?? baseUrl(host, server.port),
    clock: runtime.clock,
    entropy: runtime.entropy,
    log,
    allowedHosts: allowedHostsOf(config),
    allowedOrigins: config.allowedOrigins,
    maxBodyBytes: config.maxBodyBytes,
  });
  return server;
}

/** What the operator says, or this machine's names; and the name in the public URL, which others are told to use. */
function allowedHostsOf({ allowedHosts, publicUrl }: ServeConfig): readonly string[] {
  const named = allowedHosts.length === 0 ? LOOPBACK_HOSTS : allowedHosts;
  return publicUrl === undefined ? named : [...named, new URL(publicUrl).hostname];
}

/** The URL of what listens there. */
export function baseUrl(host: string, port: number): string {
  return `http://${host.includes(":") ? `[${host}]` : host}:${port}`;
}
