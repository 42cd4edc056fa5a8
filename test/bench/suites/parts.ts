/**
 * What the parts of metering cost, in time and in bytes: the same code plain, with the word travelling through signatures
 * and calls alone, with all charges but no check, and metered whole. The ratios of the middle two are floors: what any
 * scheme pays that keeps an exact count in a register of this engine, were its charges, or its checks, free.
 */
import { join } from "node:path";
import { PROJECT_FOLDER } from "../../../src/compose.ts";
import { readModule } from "../../../src/core/metering/binary/module.ts";
import { instrument } from "../../../src/core/metering/index.ts";
import type { Suite } from "../suite.ts";
import { takeOut, type Without } from "../support/parts.ts";
import { loadPrograms, type Rewrite } from "../support/programs.ts";
import { compareWays } from "./metering.ts";

const LIMITS = { maxMemoryBytes: 256 * 1024 * 1024 };

/** The suite. */
export const parts: Suite = {
  name: "parts",
  about: "parts of metering left out, turn by turn: the word alone, charges, checks",
  async run(context) {
    const programs = await loadPrograms(join(PROJECT_FOLDER, ".writ", "bench-programs"));
    const { tables, sizes } = await compareWays(
      [
        { name: "plain", rewrite: (wasm) => wasm },
        { name: "the word alone", rewrite: meteredWithout({ checks: true, charges: true }) },
        { name: "and charges", rewrite: meteredWithout({ checks: true, charges: false }) },
        { name: "and checks", rewrite: (wasm) => instrument(wasm, LIMITS).wasm },
      ],
      programs,
      context,
    );
    return {
      tables,
      figures: sizes,
      notes: [
        "call depth is where it stands in metered code, but for what checks ask of it",
        "what is left out is taken out of metered modules, with its branch hints",
      ],
    };
  },
};

function meteredWithout(without: Without): Rewrite {
  return (wasm) => takeOut(instrument(wasm, LIMITS).wasm, readModule(wasm).bodies.length, without);
}
