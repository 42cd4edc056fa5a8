/**
 * Tries spellings against a broker in every place where a guest or a name server can put one, while a hook at the
 * socket's connect and real listeners watch. Nothing leaves this machine: connects elsewhere are refused by the hook.
 */
import { createServer, Socket } from "node:net";
import { canonicalAddress } from "../../../src/broker/egress/index.ts";
import type { Grant, NetworkRule } from "../../../src/core/policy/index.ts";
import type { RunHost } from "../../../src/ports/index.ts";
import { call, openRun, rule, send } from "../support.ts";
import { isPublic } from "./blocks.ts";

/** What was seen while spellings were tried. */
export interface Watch {
  /** Addresses that somebody tried to connect to, as the socket was told. */
  readonly dialed: readonly string[];
  /** Connections that the listeners accepted. */
  readonly accepted: () => number;
  readonly port: number;
  close(): Promise<void>;
}

/** Canonical spellings that a policy may name: with these rules only the address check stands in the way. */
const NAMED = [
  "127.0.0.1",
  "0.0.0.0",
  "10.0.0.1",
  "169.254.169.254",
  "::1",
  "::",
  "fd00:ec2::254",
  "fe80::1",
  "192.168.0.1",
  "172.16.0.1",
];

/** Starts listeners on one port of every loopback address that can be had, and hooks the socket's connect. */
export async function watch(): Promise<Watch> {
  let accepted = 0;
  const servers: ReturnType<typeof createServer>[] = [];
  let port = 0;
  for (const host of ["127.0.0.1", "127.0.0.2", "127.255.255.254", "::1"]) {
    const server = createServer((socket) => {
      accepted += 1;
      socket.destroy();
    });
    const listens = await new Promise<boolean>((resolve) => {
      server.once("error", () => resolve(false));
      server.listen(port, host, () => resolve(true));
    });
    // A machine without IPv6 has no ::1 to reach either.
    if (!listens) continue;
    servers.push(server);
    const address = server.address();
    if (address !== null && typeof address !== "string") port = address.port;
  }
  const dialed: string[] = [];
  const connect = Socket.prototype.connect;
  function hooked(this: Socket, ...args: unknown[]): Socket {
    const host = hostOf(args);
    dialed.push(host);
    // To a listener of ours it goes on, so that the listener has its say too.
    if (/^(127\.|::1$|0\.0\.0\.0$|::$|localhost$)/.test(host)) return Reflect.apply(connect, this, args);
    queueMicrotask(() => this.destroy(Object.assign(new Error("hooked"), { code: "ECONNREFUSED" })));
    return this;
  }
  Reflect.set(Socket.prototype, "connect", hooked);
  return {
    dialed,
    accepted: () => accepted,
    port,
    async close() {
      Reflect.set(Socket.prototype, "connect", connect);
      await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
    },
  };
}

/** What became of one spelling. */
export interface Fault {
  readonly spelling: string;
  readonly how: "authority" | "name server" | "socket";
  readonly reply: string;
}

/**
 * Tries each spelling as an authority (bare, bracketed, with the listeners' port) under a policy that names every
 * dangerous address there is, as the answer of a name server for a permitted name, and as what a socket looks up and
 * connects to.
 *
 * @returns those that were answered with a response
 */
export async function attempt(spellings: readonly string[], { port }: Watch): Promise<readonly Fault[]> {
  const faults: Fault[] = [];
  const rules: NetworkRule[] = [...NAMED, "api.test", "*.nip.io", "*.sslip.io", "*.example.com"].flatMap(
    (host) => [rule(host, port), rule(host, 80)],
  );
  let current = "";
  const hosts: Record<string, readonly string[]> = new Proxy({}, { get: () => [current] });
  const grants: readonly Grant[] = [
    { kind: "http-client", rules },
    { kind: "sockets", rules: rules.map(({ host, port: at }) => ({ host, port: at })) },
  ];
  const open = () =>
    openRun({
      grants,
      hosts,
      allow: [],
      budget: { requests: 1_000_000 },
      limits: { events: 1_000_000 },
    });
  let run = open();
  const ask = async (host: RunHost, how: Fault["how"], spelling: string, authority: string) => {
    const [, scheme = "http", rest = authority] = /^(https?):\/\/(.*)$/s.exec(authority) ?? [];
    const reply = await send(host, {
      method: "GET",
      scheme,
      authority: rest,
      pathWithQuery: "/",
      headers: [],
      connectTimeoutMs: 2000,
    });
    if (reply.kind === "ok") faults.push({ spelling, how, reply: JSON.stringify(reply).slice(0, 200) });
  };
  const askSocket = async (host: RunHost, spelling: string) => {
    await call(host, "sockets/resolve", { name: spelling });
    await call(host, "sockets/resolve", { name: "api.test" });
    // Our executor spells an address in one way; any other would end the run, which is a test of its own.
    const address = canonicalAddress(spelling);
    if (address === undefined) return;
    const reply = await call(host, "sockets/connect", { address, port });
    // A run that was stopped would answer everything so: then nothing was tried.
    if (reply.kind !== "error") faults.push({ spelling, how: "socket", reply: JSON.stringify(reply) });
  };
  for (const [index, spelling] of spellings.entries()) {
    if (index % 500 === 499) run = open();
    current = "127.0.0.1";
    const authorities = [spelling, `${spelling}:${port}`, `[${spelling}]:${port}`];
    for (const authority of authorities) await ask(run.host, "authority", spelling, authority);
    current = spelling;
    await ask(run.host, "name server", spelling, `api.test:${port}`);
    await askSocket(run.host, spelling);
  }
  return faults;
}

/** Dialed addresses that nobody may reach. */
export function forbidden({ dialed }: Watch): readonly string[] {
  return [...new Set(dialed)].filter((address) => !/^[0-9a-f.:]+$/i.test(address) || !isPublic(address));
}

function hostOf(args: readonly unknown[]): string {
  const [first] = args;
  const options: unknown = Array.isArray(first) ? first[0] : first;
  if (typeof options === "object" && options !== null && "host" in options) return String(options.host);
  return String(args[1] ?? options);
}
