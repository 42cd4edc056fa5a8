/** What the host gives to world `tool`. The WIT is the contract; these are its types. */

declare module "writ:host/secrets@0.1.0" {
  /** Stands for a secret that nobody in here can read. */
  export interface Secret {
    name(): string;
  }
  export function get(name: string): Secret;
}

declare module "writ:host/signing@0.1.0" {
  import type { Secret } from "writ:host/secrets@0.1.0";
  export function hmacSha256(secret: Secret, prefix: string, messages: readonly Uint8Array[]): Uint8Array;
}
