/** What offline verification is given and what it reports; `verify.ts` does the verifying. */
import type { ActionPredicate } from "./action.ts";
import type { RunPredicate } from "./types.ts";

/** Larger manifests are refused unread. */
export const MAX_BUNDLE_BYTES = 8 * 1024 * 1024;

/** The checks, in the order they are made. `witnesses` and `compare-*` are made only when somebody wants them. */
export type CheckName =
  | "size"
  | "bundle"
  | "encoding"
  | "payload-type"
  | "signature"
  | "key-hint"
  | "log-entry"
  | "checkpoint"
  | "witnesses"
  | "log-inclusion"
  | "statement"
  | "predicate-type"
  | "predicate"
  | "subjects"
  | "key-validity"
  | "log-validity"
  | "compare-input"
  | "compare-output"
  | "compare-component"
  | "compare-policy";

/** One check that was made. */
export interface Check {
  readonly check: CheckName;
  readonly ok: boolean;
  /** What was seen; for a refusal, why. May quote attacker-controlled text; printable ASCII, at most 403 characters. */
  readonly detail: string;
}

/** Records a check, and ends the verification when it does not hold. */
export type Demand = (check: CheckName, ok: boolean, detail: string) => asserts ok;

/** Where a manifest is in a log. */
export interface LogPlace {
  readonly origin: string;
  readonly index: bigint;
  readonly path: readonly Uint8Array[];
  /** The signed note that it was found in. */
  readonly checkpoint: string;
}

/** What verification found. */
export type VerificationReport =
  | {
      readonly ok: true;
      readonly checks: readonly Check[];
      /** Of the key that signed. */
      readonly keyId: string;
      /** Hex sha256 of the signed bytes (the DSSE PAE); the `digest` of the receipt. */
      readonly digest: string;
      /** What was signed: of a run, or of an operator's action. */
      readonly predicate: RunPredicate | undefined;
      readonly action?: ActionPredicate;
      /** Where it is in which log; absent when the trust asks for no log. */
      readonly log?: LogPlace;
    }
  /** The last check is the one that refused. */
  | { readonly ok: false; readonly checks: readonly Check[] };

/** Things in the verifier's hands, to compare with the manifest. */
export interface Comparison {
  /** JSON text of the run's input, in any layout: compared by its canonical form. */
  readonly input?: Uint8Array;
  /** JSON text of the run's output, in any layout: compared by its canonical form. */
  readonly output?: Uint8Array;
  /** The component's binary. */
  readonly component?: Uint8Array;
  /** `sha256:<hex>`, from `policyId()` of the policy at hand. */
  readonly policyId?: string;
}

/**
 * Checks a signature by the key's own kind: ECDSA P-256 with SHA-256 in DER, for manifests; Ed25519, for checkpoints.
 *
 * @param spki SubjectPublicKeyInfo, DER, of a trusted key
 * @param signature attacker-controlled
 * @param bytes what must have been signed
 * @returns false for whatever is wrong with the signature, and for a key of another kind
 */
export type VerifySignature = (
  spki: Uint8Array<ArrayBuffer>,
  signature: Uint8Array<ArrayBuffer>,
  bytes: Uint8Array<ArrayBuffer>,
) => boolean | Promise<boolean>;
