/** How a policy document fails: every fault with its place, so that one reading mends the whole file. */

/** One fault of a policy document. */
export interface PolicyFault {
  /** File or other origin, as the caller of `readPolicy` named it. */
  readonly source: string;
  /** From 1. */
  readonly line: number;
  /** From 1, in UTF-16 code units. */
  readonly column: number;
  /** RFC 6901 JSON Pointer into the document; empty for the document itself. */
  readonly pointer: string;
  /** What is there and what is wanted, for the operator. */
  readonly detail: string;
}

/** A policy document that was not accepted. Nothing of it is in force: a policy is read whole or not at all. */
export class PolicyError extends Error {
  override readonly name = "PolicyError";
  /** In the order of the document; never empty. */
  readonly faults: readonly PolicyFault[];

  /**
   * @param source origin of the document
   * @param faults what is wrong with it, at least one
   */
  constructor(source: string, faults: readonly PolicyFault[]) {
    super(
      [`Cannot read policy ${source}: ${count(faults.length)}`, ...faults.map(describeFault)].join("\n  "),
    );
    this.faults = faults;
  }
}

/**
 * Writes a fault as one line that editors can jump to.
 *
 * @param fault the fault
 * @returns `file:line:column /pointer detail`
 */
export function describeFault(fault: PolicyFault): string {
  const where = `${fault.source}:${fault.line}:${fault.column}`;
  return fault.pointer === ""
    ? `${where} ${fault.detail}`
    : `${where} ${oneLine(fault.pointer)} ${fault.detail}`;
}

/** A key may hold line breaks: written as they are, one fault would pass for two. */
function oneLine(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}

function count(faults: number): string {
  return faults === 1 ? "1 fault" : `${faults} faults`;
}
