/**
 * The signing process: holds the keys so that no gateway has to, and signs two things only, a statement of ours and a
 * checkpoint of its own log. Whoever reaches its socket can have false statements signed; nobody who does gets a key, a
 * signature on any other document, or two histories under one checkpoint size.
 */
import { GatewayError } from "../core/errors.ts";
import { decodeBase64, encodeBase64, PAYLOAD_TYPE } from "../core/manifest/index.ts";
import { parseCheckpoint, sameBytes } from "../core/merkle/index.ts";
import type { LocalSocket, LocalSockets, NoteSigner, Signer } from "../ports/index.ts";
import {
  RequestSchema,
  receive,
  type SignerKind,
  type SignerReply,
  type SignerRequest,
  send,
  writeKey,
} from "./signer-protocol.ts";

/** What every statement that is signed begins with: the pre-authentication encoding of our payload type. */
const STATEMENT = new TextEncoder().encode(`DSSEv1 ${PAYLOAD_TYPE.length} ${PAYLOAD_TYPE} `);
/** Roots remembered; older sizes may be signed again as they are asked for. */
const MAX_ROOTS = 4096;

/** What a signing process is made of. */
export interface SignerServiceOptions {
  readonly sockets: LocalSockets;
  readonly signer: Signer;
  readonly noteSigner: NoteSigner;
  /** Told of each refusal and failure. */
  readonly log: (line: object) => void;
}

/**
 * Serves signatures on a socket.
 *
 * @param path in a folder that only the gateway's user can enter
 * @returns stops it
 * @throws when another process listens there
 */
export async function serveSigner(
  path: string,
  options: SignerServiceOptions,
): Promise<{ close(): Promise<void> }> {
  const service = new SignerService(options);
  return await options.sockets.listen(path, (socket) => {
    service.serve(socket).catch((error: unknown) => options.log({ event: "signer", error: String(error) }));
  });
}

class SignerService {
  readonly #options: SignerServiceOptions;
  /** By size, of checkpoints signed since the process began. */
  readonly #roots = new Map<bigint, Uint8Array>();

  constructor(options: SignerServiceOptions) {
    this.#options = options;
  }

  async serve(socket: LocalSocket): Promise<void> {
    try {
      // Answered side by side, as gateways ask: replies carry the number of their request.
      for await (const request of receive(socket, RequestSchema)) void this.#answer(socket, request);
    } finally {
      socket.close();
    }
  }

  async #answer(socket: LocalSocket, request: SignerRequest): Promise<void> {
    try {
      await send(socket, await this.#reply(request));
    } catch {
      // The gateway is gone, and with it whoever waits for this.
      socket.close();
    }
  }

  async #reply(request: SignerRequest): Promise<SignerReply> {
    const { signer, noteSigner, log } = this.#options;
    const { id, kind } = request;
    const by = kind === "manifest" ? signer : noteSigner;
    try {
      if (request.ask === "keys") return { id, keys: (await by.keys()).map(writeKey) };
      const bytes = decodeBase64(request.bytes) ?? new Uint8Array();
      const refused = this.#refuse(kind, bytes);
      if (refused !== undefined) {
        log({ event: "refused", kind, error: refused });
        return { id, refused };
      }
      const { signature, key } = await by.sign(bytes);
      return { id, signature: encodeBase64(signature), key: writeKey(key) };
    } catch (error) {
      log({ event: "failed", kind, error: String(error) });
      return { id, refused: error instanceof GatewayError ? error.message : "the signer failed" };
    }
  }

  /** @returns why bytes are not signed; undefined when they may be */
  #refuse(kind: SignerKind, bytes: Uint8Array): string | undefined {
    if (kind === "manifest") {
      const isOurs = STATEMENT.every((byte, at) => bytes[at] === byte);
      return isOurs ? undefined : "Cannot sign: the bytes are no statement of ours";
    }
    const checkpoint = parseCheckpoint(new TextDecoder().decode(bytes));
    if (checkpoint?.origin !== this.#options.noteSigner.origin)
      return "Cannot sign: the bytes are no checkpoint of this log";
    const before = this.#roots.get(checkpoint.size);
    if (before !== undefined && !sameBytes(before, checkpoint.root))
      return `Cannot sign: another root of ${checkpoint.size} entries was signed before`;
    this.#roots.set(checkpoint.size, checkpoint.root);
    const [oldest] = this.#roots.keys();
    if (this.#roots.size > MAX_ROOTS && oldest !== undefined) this.#roots.delete(oldest);
    return undefined;
  }
}
