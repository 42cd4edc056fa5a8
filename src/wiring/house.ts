/** What composition gives to whoever serves. */
import type { Evidence } from "../evidence/index.ts";
import type { Gateway } from "../gateway/index.ts";
import type { Identity } from "../identity/index.ts";
import type { NoteSigner, Sandbox, Signer, Store } from "../ports/index.ts";
import type { Board } from "../registry/index.ts";

/** A gateway with everything under it. */
export interface House {
  readonly gateway: Gateway;
  /** What is in force, where the store says so. */
  readonly board?: Board;
  readonly identity: Identity;
  readonly sandbox: Sandbox;
  readonly evidence: Evidence;
  readonly store: Store;
  readonly signer: Signer;
  readonly noteSigner: NoteSigner;
  /** Ends runs under way as `revoked`, seals them, and closes the store. */
  close(): Promise<void>;
}
