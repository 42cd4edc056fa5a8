/** Where the canonical ABI says "trap": the guest broke a rule at the border of its component. */

/** Thrown by the linker; the guard turns it into a real trap, and the run's end names its reason. */
export class AbiTrap extends Error {
  override readonly name = "AbiTrap";
  /** A word of ours, never the guest's text. */
  readonly reason: string;

  constructor(reason: string) {
    super(`The guest broke the canonical ABI: ${reason}`);
    this.reason = reason;
  }
}

/** @throws AbiTrap */
export function trapIf(condition: boolean, reason: string): void {
  if (condition) throw new AbiTrap(reason);
}
