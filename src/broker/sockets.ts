/**
 * `sockets`: look-ups and outgoing TCP connections of `wasi:sockets`, through egress and nothing else.
 *
 * A guest connects to addresses, and a policy names hosts: so an address may be connected to when it was an answer to a
 * look-up of this run for a host that the policy names with that port, or when the policy names the address itself. It is
 * judged at the look-up and again at the connection; no name is resolved in between, so there is nothing to rebind.
 *
 * One event for each look-up and connection. What goes over a connection is the tool's own business, TLS included: it is
 * counted, and it is not searched for secrets. None is ever sent there by this host.
 */
import { z } from "zod";
import type { HostReply } from "../ports/index.ts";
import { meterOf, stopOf } from "./account.ts";
import { type EventDraft, UNFINISHED } from "./book.ts";
import { type Capability, grantOf, OK, ProtocolViolation, parseArgs, type RunContext } from "./capability.ts";
import { barrierClause, canonicalAddress, type EgressConnection, wordOf } from "./egress/index.ts";
import { importCalled, versionArg } from "./import-called.ts";
import { type SocketError, socketErrorOf } from "./socket-error.ts";
import { SocketPermits } from "./socket-permits.ts";

/** Connections of one run that are open at once. */
const MAX_OPEN = 8;
/** Most bytes of one read. */
const MAX_READ = 64 * 1024;

const resolveArgs = z.strictObject({ name: z.string(), wasi: versionArg });
const connectArgs = z.strictObject({
  address: z.string(),
  port: z.int().min(1).max(65535),
  wasi: versionArg,
});
const readArgs = z.strictObject({ handle: z.int(), maxBytes: z.int().min(1) });
const handleArgs = z.strictObject({ handle: z.int() });

/** Makes the capability live for one run. */
export function createSockets(context: RunContext): Capability {
  const sockets = new Sockets(context);
  return {
    calls: {
      "sockets/resolve": (args) => sockets.resolve(parseArgs(resolveArgs, args)),
      "sockets/connect": (args) => sockets.connect(parseArgs(connectArgs, args)),
      "sockets/read": (args) => {
        const { handle, maxBytes } = parseArgs(readArgs, args);
        return sockets.read(handle, Math.min(maxBytes, MAX_READ));
      },
      "sockets/write": (args, body) => sockets.write(parseArgs(handleArgs, args).handle, body),
      "sockets/end": (args) => {
        sockets.held(parseArgs(handleArgs, args).handle).connection.end();
        return OK;
      },
      "sockets/close": (args) => {
        sockets.close(parseArgs(handleArgs, args).handle);
        return OK;
      },
    },
  };
}

interface Open {
  readonly connection: EgressConnection;
  readonly event: EventDraft;
  /** By the guest: what it was still waiting for then did not fail. */
  closed: boolean;
}

class Sockets {
  readonly #context: RunContext;
  readonly #permits: SocketPermits;
  readonly #open = new Map<number, Open>();
  #connecting = 0;
  #nextHandle = 1;

  constructor(context: RunContext) {
    this.#context = context;
    this.#permits = new SocketPermits(grantOf(context.grants, "sockets")?.rules ?? []);
  }

  async resolve({ name, wasi }: z.infer<typeof resolveArgs>): Promise<HostReply> {
    const { book, egress, open } = this.#context;
    const called = importCalled("look-up", wasi);
    const host = name.slice(0, 254).toLowerCase();
    const { allowed, target, clause } = this.#permits.lookUp(host);
    if (!allowed) return this.#deny({ import: called, target, clause });
    const event = this.#begin(called, target, clause);
    if (event === undefined) return stopOf(this.#context);
    try {
      const addresses = await egress.resolve({ host, open, signal: book.signal });
      this.#permits.remember(host, addresses);
      event.result = `${addresses.length} ${addresses.length === 1 ? "address" : "addresses"}`;
      return { kind: "ok", value: addresses };
    } catch (error) {
      return this.#fail(event, error);
    }
  }

  async connect({ address: asked, port, wasi }: z.infer<typeof connectArgs>): Promise<HostReply> {
    const { book, egress, open } = this.#context;
    const called = importCalled("connection", wasi);
    const address = canonicalAddress(asked);
    if (address === undefined)
      throw new ProtocolViolation("Cannot connect: not a plain spelling of an address");
    const { allowed, target, clause } = this.#permits.connection(address, port);
    if (!allowed) return this.#deny({ import: called, target, clause });
    if (this.#open.size + this.#connecting >= MAX_OPEN) {
      book.write({ import: called, effect: "failed", target, clause, result: "new-socket-limit" });
      return refuse("new-socket-limit");
    }
    const event = this.#begin(called, target, clause);
    if (event === undefined) return stopOf(this.#context);
    this.#connecting += 1;
    try {
      const meter = meterOf(this.#context, event);
      const to = { host: address, port, label: target, open, meter, signal: book.signal };
      const connection = await egress.connect(to);
      event.result = `connected to ${connection.address}`;
      if (this.#context.echo.isActive()) event.result += "; not searched for secrets";
      const handle = this.#nextHandle;
      this.#nextHandle += 1;
      this.#open.set(handle, { connection, event, closed: false });
      return { kind: "ok", value: { handle } };
    } catch (error) {
      return this.#fail(event, error);
    } finally {
      this.#connecting -= 1;
    }
  }

  async read(handle: number, maxBytes: number): Promise<HostReply> {
    const open = this.held(handle);
    const { connection } = open;
    try {
      const bytes = await connection.read(maxBytes);
      return {
        kind: "ok",
        value: { end: bytes === undefined },
        ...(bytes === undefined ? {} : { body: bytes }),
      };
    } catch (error) {
      return this.#break(open, error);
    }
  }

  async write(handle: number, bytes: Uint8Array): Promise<HostReply> {
    const open = this.held(handle);
    try {
      await open.connection.write(bytes);
      return OK;
    } catch (error) {
      return this.#break(open, error);
    }
  }

  close(handle: number): void {
    const open = this.held(handle);
    open.closed = true;
    open.connection.close();
    this.#open.delete(handle);
  }

  /** INVARIANT: a handle is an integer of this run alone; one that was never given, or was closed, is a forgery. */
  held(handle: number): Open {
    const open = this.#open.get(handle);
    if (open !== undefined) return open;
    throw new ProtocolViolation(`Cannot use connection ${handle}: this run holds no such handle`);
  }

  /** Charges for it and writes its event, before anything leaves. @returns undefined when the run is over for it */
  #begin(name: string, target: string, clause: string): EventDraft | undefined {
    const { book } = this.#context;
    if (book.charge("requests", 1) < 1) return undefined;
    return book.write({ import: name, effect: "allowed", target, clause, result: UNFINISHED });
  }

  #deny(event: { readonly import: string; readonly target: string; readonly clause: string }): HostReply {
    this.#context.book.write({ ...event, effect: "denied", result: "access-denied" });
    return refuse("access-denied");
  }

  /** A look-up or a connection that did not come about. */
  #fail(event: EventDraft, thrown: unknown): HostReply {
    const { book } = this.#context;
    const word = socketErrorOf(wordOf(thrown));
    const lacks = barrierClause(thrown);
    event.effect = word === "access-denied" ? "denied" : "failed";
    event.result = book.exhausted ? "exhausted" : word;
    if (lacks !== undefined) event.clause = `${lacks}; permitted by ${event.clause}`;
    if (event.effect === "denied") book.noteDenial(event);
    return refuse(word);
  }

  /** A connection that ended badly. What it is called stays in its event. */
  #break({ event, closed }: Open, thrown: unknown): HostReply {
    const { book } = this.#context;
    const word = socketErrorOf(wordOf(thrown));
    if (closed) return refuse(word);
    event.effect = "failed";
    event.result = book.exhausted ? "exhausted" : word;
    return book.stopped ?? refuse(word);
  }
}

function refuse(word: SocketError): HostReply {
  return { kind: "error", error: word };
}
