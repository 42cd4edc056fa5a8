/** A process that is none: there is nothing that the system could say of it. */
import type { ProcessView } from "../../src/ports/index.ts";

/** Says nothing. */
export const NO_VIEW: ProcessView = {
  pid: () => undefined,
  confinement: () => [],
  memory: () => undefined,
  limitWritable: undefined,
  yieldToOthers: () => false,
};
