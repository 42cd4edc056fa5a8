/**
 * The broker: makes a decision's grants live for one run, and takes them away at its end.
 *
 * The executor at the other end of the pipe is assumed compromised. Whatever it says, a run gets no effect that is
 * not granted, spends no more than its lease, and leaves an event for every effect it had.
 */

import { GatewayError } from "../core/errors.ts";
import type { EchoPolicy, Grant, JsonValue } from "../core/policy/index.ts";
import type { Clock, HostCall, HostReply, ItemStore, Resolver, RunHost } from "../ports/index.ts";
import { RunBook } from "./book.ts";
import { CAPABILITIES } from "./calls.ts";
import { type CallHandler, type Capability, ProtocolViolation, type RunContext } from "./capability.ts";
import { createEchoFilter, type EchoFilter } from "./echo.ts";
import {
  BlockReserve,
  createEgress,
  type Egress,
  parseBlock,
  parseBlockList,
  parseProxy,
} from "./egress/index.ts";
import { isFor, KnownSecrets, namesOf, textsOf } from "./known-secrets.ts";
import type { Mount } from "./mounts.ts";
import { observeEgress } from "./observed-egress.ts";
import type { OpenRun, Owner } from "./open-run.ts";
import type { SecretProfile } from "./profiles.ts";

/** What is looked for in a run's output, and whether finding it lets the run go on. */
interface Releasing {
  readonly echo: EchoFilter;
  readonly mayGoOn: () => boolean;
  /** Whether its grants name any profile. */
  readonly searched: boolean;
}

/** How long a call may take to notice that its run was stopped, before it is answered without it. */
const STOP_GRACE_MS = 100;

/** What a broker is made of. */
export interface BrokerOptions {
  readonly clock: Clock;
  readonly resolver: Resolver;
  /** Resolved profiles by name; see `resolveProfiles`. */
  readonly profiles: ReadonlyMap<string, SecretProfile>;
  /** The operator's folders by name; see `loadMounts`. Default: none. */
  readonly mounts?: ReadonlyMap<string, Mount>;
  /** What tools keep between runs; without it no run opens that may keep anything. */
  readonly items?: ItemStore;
  readonly egress?: {
    /** CIDR blocks that may be reached although they are not public, e.g. `127.0.0.1/32`; default none. */
    readonly allowAddresses?: readonly string[];
    /** PEM certificates trusted instead of the runtime's own. */
    readonly certificateAuthorities?: readonly string[];
    /** Longest silence within a response's body in ms; default 30,000. */
    readonly idleTimeoutMs?: number;
    /** CIDR blocks and host patterns that nothing may reach, whatever permits it; default none. */
    readonly block?: readonly string[];
    /** URL of the outgoing proxy; default none. */
    readonly proxy?: string;
    /** See `Runtime`; default: it does not, and connections are held back beneath it. */
    readonly tlsHoldsBack?: boolean;
  };
}

/** Opens runs. */
export interface Broker {
  /**
   * @throws {GatewayError} `tool-suspended` when a grant names a profile that the operator does not keep
   */
  openRun(run: OpenRun): RunHost;
}

/**
 * Creates the broker of a gateway.
 *
 * @throws {RangeError} when `allowAddresses` holds anything but CIDR blocks, `block` anything but those and host
 *   patterns, or `proxy` is no URL of one
 */
export function createBroker(parts: BrokerOptions): Broker {
  const { clock, resolver, profiles, items, mounts = new Map(), egress: options = {} } = parts;
  const { allowAddresses = [], block = [], proxy, ...rest } = options;
  const open = allowAddresses.map(parseBlock);
  const since = new Date(clock.nowMs()).toISOString();
  const egress: Egress = createEgress({
    clock,
    resolver,
    blocked: parseBlockList(block),
    ...(proxy === undefined ? {} : { proxy: parseProxy(proxy) }),
    ...rest,
  });
  const known = new KnownSecrets(profiles);
  const reserve = new BlockReserve();
  function openRun(run: OpenRun, caller?: RunBook): RunHost {
    const {
      grants,
      owner,
      onSecretEcho = "redact",
      budget,
      startedAtMs,
      pool,
      observe,
      limits,
      callTool,
      trace,
      mayResend,
    } = run;
    const most = { events: 10_000, calls: 1_000_000, ...limits };
    const book = new RunBook(budget, clock, startedAtMs, most, caller);
    const held = new Map<string, SecretProfile>();
    // Once for each run: what it sends, signs with and shows stays what it began with, however often that is rotated.
    const profile = (name: string) => {
      const begun = held.get(name) ?? profileOf(profiles, name, since, owner);
      held.set(name, begun);
      return begun;
    };
    const names = namesOf(grants);
    const echo = createEchoFilter(textsOf(names.map(profile), known, owner));
    const found = () => noteEcho(book, onSecretEcho);
    const context: RunContext = {
      book,
      grants,
      egress: observe === undefined ? egress : observeEgress(egress, observe),
      reserve,
      open,
      profile,
      echo,
      found,
      mount: (name) => mountOf(mounts, name, since),
      nowMs: () => clock.nowMs(),
      openCallee: (callee) => openRun(callee, book),
      ...(callTool === undefined ? {} : { callTool }),
      ...(pool === undefined ? {} : { pool }),
      ...(trace === undefined ? {} : { trace }),
      ...(mayResend === undefined ? {} : { mayResend }),
      ...(items === undefined || owner === undefined ? {} : { keeping: { items, owner } }),
    };
    const capabilities = createOpener(context);
    return new BrokeredHost(book, clock, { echo, mayGoOn: found, searched: names.length > 0 }, capabilities);
  }
  return { openRun: (run) => openRun(run) };
}

/** The capabilities of one run: made live for its first call, unless its grants are to be checked before it begins. */
interface Opened {
  /** By the call's name. */
  readonly handlers: () => ReadonlyMap<string, CallHandler>;
  /** Those that are live. */
  readonly live: () => readonly Capability[];
}

/** Grants that ask for nothing which the operator might lack; a secret of theirs has been looked for by then. */
const UNCHECKED: ReadonlySet<Grant["kind"]> = new Set<Grant["kind"]>([
  ...(["http-client", "sockets", "log", "stdio"] as const),
  ...(["run-info", "clocks", "random", "environment", "config"] as const),
]);

/** @throws {GatewayError} `tool-suspended` when what a grant needs is not there */
function createOpener(context: RunContext): Opened {
  let live: readonly Capability[] | undefined;
  let handlers: ReadonlyMap<string, CallHandler> | undefined;
  const open = () => {
    live ??= CAPABILITIES.map((create) => create(context));
    return live;
  };
  // Most runs of tools that compute never call: they are spared what they would not use.
  if (!context.grants.every(({ kind }) => UNCHECKED.has(kind))) open();
  return {
    handlers() {
      handlers ??= new Map(open().flatMap((capability) => Object.entries(capability.calls)));
      return handlers;
    },
    live: () => live ?? [],
  };
}

/** What a run's guest meets. A class, because objects written down with getters outlive their run (`journal/forward.ts`). */
class BrokeredHost implements RunHost {
  readonly release?: NonNullable<RunHost["release"]>;
  readonly #book: RunBook;
  readonly #clock: Clock;
  readonly #echo: EchoFilter;
  readonly #opened: Opened;

  constructor(book: RunBook, clock: Clock, { echo, mayGoOn, searched }: Releasing, opened: Opened) {
    this.#book = book;
    this.#clock = clock;
    this.#echo = echo;
    this.#opened = opened;
    if (searched) this.release = (output) => release(book, echo, mayGoOn, output);
  }

  call(call: HostCall): Promise<HostReply> {
    return serve(this.#book, this.#opened.handlers, this.#clock, call);
  }

  close(): void {
    this.#book.seal(this.#opened.live().flatMap((capability) => capability.summary?.() ?? []));
  }

  get events() {
    return this.#book.events;
  }

  get usage() {
    return {
      egress_bytes: this.#book.used("egress_bytes"),
      requests: this.#book.used("requests"),
      log_bytes: this.#book.used("log_bytes"),
    };
  }

  get denial() {
    return this.#book.denial;
  }

  get diagnostics() {
    return this.#opened
      .live()
      .flatMap((capability) => capability.diagnostics?.() ?? [])
      .map((line) => ({ ...line, text: this.#echo.text(line.text).text }));
  }
}

async function serve(
  book: RunBook,
  handlers: Opened["handlers"],
  clock: Clock,
  { name, args, body, fuelUsed = 0, spanId }: HostCall,
): Promise<HostReply> {
  if (book.stopped !== undefined) return book.stopped;
  if (!book.countCall() && book.stopped !== undefined) return book.stopped;
  const handler = handlers().get(name);
  if (handler === undefined) return book.stop({ kind: "revoked", reason: "protocol" });
  try {
    const reply = await untilStopped(book, clock, handler(args, body, fuelUsed, spanId));
    // A budget may have run out, or the run may have been closed, while this call waited.
    return book.stopped ?? reply ?? book.stop({ kind: "revoked", reason: "closed" });
  } catch (error) {
    if (error instanceof ProtocolViolation) return book.stop({ kind: "revoked", reason: "protocol" });
    // A bug of ours: no guest may profit from it.
    book.stop({ kind: "revoked", reason: "broker-fault" });
    throw error;
  }
}

function mountOf(mounts: ReadonlyMap<string, Mount>, name: string, since: string): Mount {
  const mount = mounts.get(name);
  if (mount !== undefined) return mount;
  throw new GatewayError(
    `Cannot open a run: mount "${name}" is not among the operator's folders; name it with --mounts`,
    {
      code: "tool-suspended",
      reason: "a folder that its policy mounts is not configured",
      since,
    },
  );
}

/**
 * What a handler answers, or nothing once the run is stopped: whatever it waits for then (a connection that does not
 * notice its abort) must not keep the executor waiting for the stop.
 */
async function untilStopped(
  book: RunBook,
  clock: Clock,
  reply: HostReply | Promise<HostReply>,
): Promise<HostReply | undefined> {
  if (!(reply instanceof Promise)) return reply;
  const { promise, resolve, reject } = Promise.withResolvers<HostReply | undefined>();
  // A moment, so that what ends in order still completes its event.
  const forget = book.onStop(() => void clock.after(STOP_GRACE_MS, () => resolve(undefined)));
  // Its failure after the stop has nobody to go to.
  reply.then(resolve, reject);
  try {
    return await promise;
  } finally {
    forget();
  }
}

/** @returns whether the run may go on */
function noteEcho(book: RunBook, policy: EchoPolicy): boolean {
  if (policy === "revoke") book.stop({ kind: "revoked", reason: "secret-echo" });
  return policy === "redact";
}

/** Looks through what a guest returned. */
function release(
  book: RunBook,
  echo: EchoFilter,
  mayGoOn: () => boolean,
  output: JsonValue,
): { readonly output: JsonValue; readonly withheld: boolean } {
  const { value, found } = echo.json(output);
  if (!found) return { output, withheld: false };
  book.write({
    import: "output",
    effect: "failed",
    clause: "on_secret_echo",
    result: "secret echoed, redacted",
  });
  return { output: value, withheld: !mayGoOn() };
}

function profileOf(
  profiles: ReadonlyMap<string, SecretProfile>,
  name: string,
  since: string,
  owner: Owner | undefined,
): SecretProfile {
  const profile = profiles.get(name);
  // For a tenant that it is not for, a profile is as absent as one that never was.
  if (profile !== undefined && isFor(profile, owner)) return profile;
  throw new GatewayError(
    `Cannot open a run: secret profile "${name}" is not among the operator's profiles; keep one of that name, or name another in the policy`,
    {
      code: "tool-suspended",
      reason: "its secret profile is not configured",
      since,
    },
  );
}
