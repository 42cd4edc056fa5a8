/**
 * Signs by asking the signing process over a socket, so that this process never holds a key. While the other side is
 * away nothing is signed, and so nothing is released; once it is back, the next signature finds it.
 */
import { decodeBase64, encodeBase64 } from "../core/manifest/index.ts";
import type {
  Clock,
  LocalSocket,
  LocalSockets,
  NoteSigner,
  PublicKey,
  Signature,
  Signer,
} from "../ports/index.ts";
import { unusable } from "./key-file.ts";
import {
  ReplySchema,
  readKey,
  receive,
  type SignerKind,
  type SignerReply,
  type SignerRequest,
  send,
} from "./signer-protocol.ts";
import { verifySignature } from "./verify-signature.ts";

/** What a connection to a signing process needs. */
export interface SocketSignerOptions {
  readonly sockets: LocalSockets;
  readonly clock: Clock;
  /** Of the signing process's socket. */
  readonly path: string;
}

/** For this long an answer is waited for. */
const TIMEOUT_MS = 5_000;
/** For this long the published keys are believed without being asked for again. */
const KEYS_FRESH_MS = 5_000;

/**
 * Connects to a signing process.
 *
 * @param origin the log's name, which has to be the other side's too
 * @throws {GatewayError} `evidence-unavailable` when nobody answers there
 */
export async function connectSigner(
  options: SocketSignerOptions & { readonly origin: string },
): Promise<{ readonly signer: Signer; readonly noteSigner: NoteSigner }> {
  const line = new SignerLine(options);
  const signer = new SocketKeys("manifest", line, options.clock);
  const notes = new SocketKeys("checkpoint", line, options.clock);
  await Promise.all([signer.keys(), notes.keys()]);
  const { origin } = options;
  return {
    signer,
    noteSigner: { origin, keys: () => notes.keys(), sign: (bytes) => notes.sign(bytes) },
  };
}

/** The keys of one kind, at the other end of the line. */
class SocketKeys implements Signer {
  readonly #kind: SignerKind;
  readonly #line: SignerLine;
  readonly #clock: Clock;
  /** Keys whose first signature was verified. */
  readonly #proven = new Set<string>();
  #known: readonly PublicKey[] = [];
  #knownAtMs = Number.NEGATIVE_INFINITY;

  constructor(kind: SignerKind, line: SignerLine, clock: Clock) {
    this.#kind = kind;
    this.#line = line;
    this.#clock = clock;
  }

  async keys(): Promise<readonly PublicKey[]> {
    const isFresh = this.#clock.monotonicMs() - this.#knownAtMs < KEYS_FRESH_MS;
    // Keys of a process that is gone say nothing about whether anything can be signed.
    if (isFresh && this.#line.isOpen) return this.#known;
    const reply = await this.#line.ask({ ask: "keys", kind: this.#kind });
    if (!("keys" in reply)) throw unusable("Cannot learn the signer's keys: it answered something else");
    this.#known = reply.keys.map(readKey);
    this.#knownAtMs = this.#clock.monotonicMs();
    return this.#known;
  }

  async sign(bytes: Uint8Array): Promise<Signature> {
    const reply = await this.#line.ask({ ask: "sign", kind: this.#kind, bytes: encodeBase64(bytes) });
    if (!("signature" in reply)) throw unusable("Cannot sign: the signer answered something else");
    const key = readKey(reply.key);
    const signature = decodeBase64(reply.signature) ?? new Uint8Array();
    if (!this.#proven.has(key.keyId)) {
      if (!(await verifySignature(key.spki, signature, new Uint8Array(bytes)))) {
        throw unusable(`Cannot sign: signatures of key ${key.keyId} do not verify`);
      }
      this.#proven.add(key.keyId);
    }
    return { signature, key };
  }
}

interface Waiting {
  readonly resolve: (reply: SignerReply) => void;
  readonly reject: (error: unknown) => void;
}

/** What is asked, without the number that the line gives it. */
type Question = SignerRequest extends infer R ? (R extends SignerRequest ? Omit<R, "id"> : never) : never;

/** One connection at a time, made when it is needed, shared by both kinds of key. */
class SignerLine {
  readonly #options: SocketSignerOptions;
  readonly #waiting = new Map<number, Waiting>();
  #socket: Promise<LocalSocket> | undefined;
  #next = 0;

  constructor(options: SocketSignerOptions) {
    this.#options = options;
  }

  /** Whether the other side was there a moment ago. */
  get isOpen(): boolean {
    return this.#socket !== undefined;
  }

  async ask(question: Question): Promise<SignerReply> {
    const id = this.#next++;
    const answered = Promise.withResolvers<SignerReply>();
    this.#waiting.set(id, answered);
    const cancel = this.#options.clock.after(TIMEOUT_MS, () =>
      answered.reject(unusable(`Cannot sign: the signer did not answer within ${TIMEOUT_MS} ms`)),
    );
    try {
      this.#socket ??= this.#connect();
      const socket = await this.#socket;
      await send(socket, { id, ...question }).catch((cause: unknown) => {
        throw unusable("Cannot sign: the signer is gone", cause);
      });
      const reply = await answered.promise;
      if ("refused" in reply) throw unusable(`The signer refused: ${reply.refused}`);
      return reply;
    } finally {
      cancel();
      this.#waiting.delete(id);
      // Nobody else waits for it: a rejection that came too late is none.
      answered.promise.catch(() => undefined);
    }
  }

  async #connect(): Promise<LocalSocket> {
    const { sockets, path } = this.#options;
    try {
      const socket = await sockets.connect(path);
      void this.#listen(socket);
      return socket;
    } catch (cause) {
      this.#socket = undefined;
      throw unusable(`Cannot reach the signer at ${JSON.stringify(path)}`, cause);
    }
  }

  /** Until the other side is gone, or says what it should not. Then whoever waits is told, and the next one connects. */
  async #listen(socket: LocalSocket): Promise<void> {
    for await (const reply of receive(socket, ReplySchema)) this.#waiting.get(reply.id)?.resolve(reply);
    socket.close();
    this.#socket = undefined;
    for (const { reject } of this.#waiting.values()) reject(unusable("Cannot sign: the signer is gone"));
  }
}
