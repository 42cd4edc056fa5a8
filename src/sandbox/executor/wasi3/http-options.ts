/** Resource `request-options` of `wasi:http/types` 0.3; durations in ns, as the interface has them. */
import type { JsonValue } from "../../../core/policy/index.ts";
import { GuestError } from "../guard.ts";

interface Timeouts {
  readonly connect?: bigint | undefined;
  readonly firstByte?: bigint | undefined;
  readonly betweenBytes?: bigint | undefined;
}

const NS_PER_MS = 1_000_000n;
const LONGEST_MS = 2_147_483_647n;

/** Resource `request-options`. */
export class RequestOptions {
  #state: { readonly timeouts: Timeouts; readonly isMutable: boolean } = { timeouts: {}, isMutable: true };

  /** The same, that the guest may read but not change. */
  static immutable(options: RequestOptions): RequestOptions {
    const copy = new RequestOptions();
    copy.#state = { timeouts: options.#state.timeouts, isMutable: false };
    return copy;
  }

  getConnectTimeout(): bigint | undefined {
    return this.#state.timeouts.connect;
  }

  setConnectTimeout(connect: bigint | undefined): void {
    this.#set({ connect });
  }

  getFirstByteTimeout(): bigint | undefined {
    return this.#state.timeouts.firstByte;
  }

  setFirstByteTimeout(firstByte: bigint | undefined): void {
    this.#set({ firstByte });
  }

  getBetweenBytesTimeout(): bigint | undefined {
    return this.#state.timeouts.betweenBytes;
  }

  setBetweenBytesTimeout(betweenBytes: bigint | undefined): void {
    this.#set({ betweenBytes });
  }

  clone(): RequestOptions {
    const copy = new RequestOptions();
    copy.#state = { timeouts: this.#state.timeouts, isMutable: true };
    return copy;
  }

  /** The timeouts as the broker wants them, in ms. */
  static describe(options: RequestOptions | undefined): Record<string, JsonValue> {
    if (options === undefined) return {};
    const { connect, firstByte, betweenBytes } = options.#state.timeouts;
    return {
      ...(connect === undefined ? {} : { connectTimeoutMs: toMs(connect) }),
      ...(firstByte === undefined ? {} : { firstByteTimeoutMs: toMs(firstByte) }),
      ...(betweenBytes === undefined ? {} : { betweenBytesTimeoutMs: toMs(betweenBytes) }),
    };
  }

  #set(change: Timeouts): void {
    const { timeouts, isMutable } = this.#state;
    if (!isMutable) throw new GuestError({ tag: "immutable" });
    this.#state = { timeouts: { ...timeouts, ...change }, isMutable };
  }
}

function toMs(ns: bigint): number {
  return Number(ns / NS_PER_MS > LONGEST_MS ? LONGEST_MS : ns / NS_PER_MS) || 1;
}
