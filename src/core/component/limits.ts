/**
 * What a component may make the decoder do. The bytes are attacker-controlled and may be 64 MB long, so every
 * count in them is a claim: nothing is allocated, recursed into or copied because a number in the binary says
 * so. All limits are far above what real toolchains emit.
 */
import { refuseComponent } from "../errors.ts";

/** The limits of {@link decode}. Bytes are bytes of the binary unless the name says otherwise. */
export const LIMITS = Object.freeze({
  /** Longest component accepted, in bytes. */
  componentBytes: 64 * 1024 * 1024,
  /** Components, component types and instance types written inside each other. */
  nesting: 32,
  /** How deep one type may be, counting every `list`, `option`, interface … on the way down. */
  typeDepth: 100,
  /** Entries of all type index spaces together. */
  types: 100_000,
  /** Entries of all vectors of the binary together, core imports and exports included. */
  items: 1_000_000,
  /** Longest name, in bytes. */
  nameBytes: 4096,
  /** Core modules, at all levels together. */
  coreModules: 1000,
  /** Functions that the core modules define, all together: each takes a compiler's time, however small it is. */
  coreFunctions: 500_000,
  /** Longest body of a core function, in bytes: what engines compile, and what the metering pass takes. */
  functionBytes: 7_654_321,
  /** Component instances that instantiating the component makes, itself included. */
  componentInstances: 500,
  /** Core instances that instantiating the component makes. */
  coreInstances: 500,
  /** Type nodes copied while instances are made from types; a small binary can ask for very many. */
  copies: 500_000,
  /**
   * Characters of JSON that the description may need, about. Types share parts in the binary (`tuple<t, t>`
   * of a `tuple<u, u>` of …) and a description has no references, so 64 small types can describe 2^64 leaves.
   */
  descriptionChars: 8 * 1024 * 1024,
});

/** A resource that the decoder spends: each name is one of {@link LIMITS}. */
export type Allowance =
  | "types"
  | "items"
  | "coreModules"
  | "coreFunctions"
  | "componentInstances"
  | "coreInstances"
  | "copies"
  | "descriptionChars";

/** Counts what one decoding has spent; shared by all readers and scopes of that decoding. */
export class Budget {
  readonly #spent: Record<Allowance, number> = {
    types: 0,
    items: 0,
    coreModules: 0,
    coreFunctions: 0,
    componentInstances: 0,
    coreInstances: 0,
    copies: 0,
    descriptionChars: 0,
  };

  /**
   * Spends an allowance.
   *
   * @param allowance which one
   * @param amount how much; whole and not negative
   * @throws GatewayError `component-refused` when nothing is left
   */
  spend(allowance: Allowance, amount: number): void {
    this.#spent[allowance] += amount;
    if (this.#spent[allowance] > LIMITS[allowance]) {
      throw refuseComponent(
        `Cannot decode component: it needs more than ${LIMITS[allowance]} ${allowance}, the limit of this gateway`,
      );
    }
  }
}
