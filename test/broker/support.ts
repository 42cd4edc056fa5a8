/** Real sockets and a broker around them: what the tests of this folder share. */
import { readFileSync } from "node:fs";
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from "node:http";
import { connect, createServer as createTcpServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { runtime } from "#runtime";
import {
  type BrokerOptions,
  createBroker,
  type OpenRun,
  Secret,
  type SecretProfile,
} from "../../src/broker/index.ts";
import { joinBytes } from "../../src/core/bytes.ts";
import type { Budget, Grant, JsonValue, NetworkRule } from "../../src/core/policy/types.ts";
import type { Clock, HostReply, Resolver, RunHost } from "../../src/ports/index.ts";

/** The runtime's own time. */
export const clock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after(ms, action) {
    const timer = setTimeout(action, ms);
    return () => clearTimeout(timer);
  },
};

/** Room for everything: tests narrow what they are about. */
export const BUDGET: Budget = {
  fuel: 1,
  memory_bytes: 1,
  egress_bytes: 10_000_000,
  requests: 1000,
  output_bytes: 1,
  log_bytes: 1000,
};

/** A resolver from a table; counts its calls. A list of lists answers one after the other, the last one for ever. */
export function fakeResolver(table: Record<string, readonly string[] | readonly (readonly string[])[]>) {
  const asked: string[] = [];
  const resolver: Resolver = {
    resolve: async (host) => {
      const before = asked.filter((name) => name === host).length;
      asked.push(host);
      const answers = table[host] ?? [];
      const turn = Array.isArray(answers[0]) ? answers[Math.min(before, answers.length - 1)] : answers;
      return turn as readonly string[]; // the table's two shapes, told apart just above
    },
  };
  return { resolver, asked };
}

/** A listening server that is closed, with its connections, by `close`. */
export interface Listener {
  readonly port: number;
  /** Connections accepted so far. */
  readonly connects: () => number;
  /** Everything received, latin-1. */
  readonly received: () => string;
  close(): Promise<void>;
}

const open: Listener[] = [];

/** Closes everything that a test opened; for `afterEach`. */
export async function closeListeners(): Promise<void> {
  await Promise.all(open.splice(0).map((listener) => listener.close()));
}

/** A TCP server that records what it receives. `serve` may answer. */
export async function listenTcp(serve: (socket: Socket) => void = () => {}): Promise<Listener> {
  const { received, take } = recording(serve);
  return listen(createTcpServer(take), received);
}

/** The same behind TLS, by the name of {@link TLS_HOST}. */
export async function listenTls(serve: (socket: Socket) => void = () => {}): Promise<Listener> {
  const { received, take } = recording(serve);
  return listen(
    createTlsServer({ cert: fixture("tls-cert.pem"), key: fixture("tls-key.pem") }, take),
    received,
  );
}

function recording(serve: (socket: Socket) => void) {
  const chunks: string[] = [];
  return {
    received: () => chunks.join(""),
    take(socket: Socket) {
      socket.on("data", (chunk) => chunks.push(chunk.toString("latin1")));
      socket.on("error", () => {});
      serve(socket);
    },
  };
}

/**
 * A way to a server, and what may befall what goes over it.
 *
 * @param carry given both ends of each connection; carries bytes as it likes
 */
export async function listenRelay(
  port: number,
  carry: (near: Socket, far: Socket) => void,
): Promise<Listener> {
  const relay = createTcpServer((near) => {
    const far = connect(port, "127.0.0.1");
    for (const end of [near, far]) end.on("error", () => {});
    near.on("close", () => far.destroy());
    carry(near, far);
  });
  return await listen(relay, () => "");
}

/** An HTTP server. */
export async function listenHttp(
  serve: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<Listener> {
  return listen(createHttpServer(serve), () => "");
}

export async function listen(server: Server, received: () => string): Promise<Listener> {
  const sockets = new Set<Socket>();
  let connects = 0;
  server.on("connection", (socket: Socket) => {
    connects += 1;
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new TypeError("Cannot listen: wanted a port");
  const listener: Listener = {
    port: address.port,
    connects: () => connects,
    received,
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy();
        server.close(() => resolve());
      }),
  };
  open.push(listener);
  return listener;
}

/** A rule for a host and port, GET and POST on every path. */
export function rule(host: string, port: number, more: Partial<NetworkRule> = {}): NetworkRule {
  return {
    scheme: "http",
    host,
    port,
    methods: ["GET", "POST", "HEAD", "PUT", "DELETE"],
    paths: ["/*"],
    ...more,
  };
}

/** A profile with its secret in `x-api-key`. */
export function profileFor(port: number, more: Partial<SecretProfile> = {}): SecretProfile {
  return {
    name: "weather-api",
    secret: new Secret("s3cr3t-value"),
    audience: [{ scheme: "http", host: "api.test", port, text: `http://api.test:${port}` }],
    header: "x-api-key",
    template: "{secret}",
    open: [],
    ...more,
  };
}

/** What a test run is made of. */
export interface RunOptions {
  readonly rules?: readonly NetworkRule[];
  readonly hosts?: Record<string, readonly string[] | readonly (readonly string[])[]>;
  readonly allow?: readonly string[];
  readonly budget?: Partial<Budget>;
  readonly grants?: readonly Grant[];
  readonly profile?: SecretProfile;
  readonly egress?: BrokerOptions["egress"];
  readonly limits?: OpenRun["limits"];
  readonly pool?: string;
}

/** A run on loopback: `api.test` is 127.0.0.1, which the operator opened. */
export function openRun(options: RunOptions = {}) {
  const { resolver, asked } = fakeResolver(options.hosts ?? { "api.test": ["127.0.0.1"] });
  const { profile } = options;
  const broker = createBroker({
    clock,
    resolver,
    profiles: new Map(profile === undefined ? [] : [[profile.name, profile]]),
    egress: { allowAddresses: options.allow ?? ["127.0.0.1/32"], ...options.egress },
  });
  const grants: readonly Grant[] = options.grants ?? [
    {
      kind: "http-client",
      rules: options.rules ?? [],
      ...(profile === undefined ? {} : { secretProfile: profile.name }),
    },
  ];
  const start = {
    grants,
    budget: { ...BUDGET, ...options.budget },
    startedAtMs: Date.now(),
    ...(options.limits === undefined ? {} : { limits: options.limits }),
    ...(options.pool === undefined ? {} : { pool: options.pool }),
  };
  const host = broker.openRun(start);
  return { host, asked, another: () => broker.openRun(start) };
}

/** Arguments of a GET to `api.test`. */
export function get(port: number, more: Record<string, JsonValue> = {}): Record<string, JsonValue> {
  return {
    method: "GET",
    scheme: "http",
    authority: `api.test:${port}`,
    pathWithQuery: "/",
    headers: [],
    ...more,
  };
}

/** What a server may do to make us read: a name, a head, and a piece that comes again and again. */
export const FLOODS: readonly (readonly [name: string, head: string, piece: string])[] = [
  ["a plain body", "HTTP/1.1 200 OK\r\ncontent-length: 50000000\r\n\r\n", "x".repeat(16_384)],
  [
    "a chunked body",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
    `4000\r\n${"x".repeat(0x4000)}\r\n`,
  ],
  ["tiny chunks", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", "1\r\nx\r\n".repeat(2000)],
  ["a chunk extension", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1;a=", "x".repeat(16_384)],
  ["interim responses", "", "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n".repeat(500)],
  ["a body without an end", "HTTP/1.1 200 OK\r\n\r\n", "x".repeat(16_384)],
];

/**
 * Answers with one of {@link FLOODS}: 50 MB if nobody stops it.
 *
 * @returns bytes of pieces that were written so far
 */
export function flood(socket: Socket, head: string, piece: string): () => number {
  let written = 0;
  const pump = () => {
    while (!socket.destroyed && written < 50_000_000) {
      written += piece.length;
      if (!socket.write(piece)) return;
    }
  };
  if (head !== "") socket.write(head); // Deno's TLS says nothing more after an empty write
  socket.on("drain", pump);
  pump();
  return () => written;
}

/** The name that the certificate of {@link listenTls} is for. */
export const TLS_HOST = "api.example.test";

/** A certificate or a key, PEM. */
export function fixture(name: string): string {
  return readFileSync(new URL(`fixtures/${name}`, import.meta.url), "utf8");
}

function overTls(egress: BrokerOptions["egress"]) {
  return {
    listen: listenTls,
    openRun: (port: number, options: RunOptions = {}) =>
      openRun({
        rules: [rule(TLS_HOST, port, { scheme: "https" })],
        hosts: { [TLS_HOST]: ["127.0.0.1"] },
        egress: { certificateAuthorities: [fixture("tls-cert.pem")], ...egress },
        ...options,
      }),
    get: (port: number, more: Record<string, JsonValue> = {}) =>
      get(port, { scheme: "https", authority: `${TLS_HOST}:${port}`, ...more }),
  };
}

/** A raw server, a run that may ask it anything, and the arguments of a GET to it: the same over whatever carries it. */
export const TRANSPORTS = {
  TCP: {
    listen: listenTcp,
    openRun: (port: number, options: RunOptions = {}) =>
      openRun({ rules: [rule("api.test", port)], ...options }),
    get,
  },
  TLS: overTls({ tlsHoldsBack: runtime.tlsHoldsBack }),
  "TLS that is held back": overTls({ tlsHoldsBack: false }),
} as const;

/** Calls the broker. */
export function call(
  host: RunHost,
  name: string,
  args: JsonValue,
  body = new Uint8Array(0),
): Promise<HostReply> {
  return host.call({ name, args, body });
}

/** Sends a request. */
export function send(host: RunHost, args: JsonValue, body?: Uint8Array<ArrayBuffer>): Promise<HostReply> {
  return call(host, "http-client/send", args, body);
}

/** Sends a request that must succeed; gives its status, headers and handle. */
export async function sendOk(host: RunHost, args: JsonValue, body?: Uint8Array<ArrayBuffer>) {
  const reply = await send(host, args, body);
  if (reply.kind !== "ok") throw new TypeError(`Cannot go on: ${JSON.stringify(reply)}, wanted a response`);
  // The port says that this is what a successful send gives.
  return reply.value as unknown as { status: number; headers: [string, string][]; body: number };
}

/** The bytes beside a reply. */
export function bodyOf(reply: HostReply): Uint8Array {
  if (reply.kind !== "ok") return new Uint8Array(0);
  return reply.pieces === undefined ? (reply.body ?? new Uint8Array(0)) : joinBytes(reply.pieces);
}

/** Reads a body until its end, or until something else than bytes is answered. */
export async function readAll(host: RunHost, handle: number, maxBytes = 65_536) {
  const chunks: Uint8Array[] = [];
  for (;;) {
    const reply = await call(host, "http-client/read", { handle, maxBytes });
    if (reply.kind !== "ok") return { chunks, length: lengthOf(chunks), last: reply };
    const bytes = bodyOf(reply);
    if (bytes.length > 0) chunks.push(bytes);
    else return { chunks, length: lengthOf(chunks), last: reply };
  }
}

/** The bytes of `readAll` as latin-1 text. */
export function textOf(chunks: readonly Uint8Array[]): string {
  return chunks.map((chunk) => Array.from(chunk, (byte) => String.fromCharCode(byte)).join("")).join("");
}

/** What a busy machine may take for what an idle one does at once. */
const PATIENCE_MS = 20_000;

/** Waits until a condition holds; fails when it does not for long. */
export async function until(holds: () => boolean): Promise<void> {
  for (const startedMs = performance.now(); !holds(); ) {
    if (performance.now() - startedMs > PATIENCE_MS)
      throw new RangeError(`Waited ${PATIENCE_MS} ms for nothing`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

function lengthOf(chunks: readonly Uint8Array[]): number {
  return chunks.reduce((sum, chunk) => sum + chunk.length, 0);
}
