/** What a suite is given and what it gives. */
import type { Row } from "./harness.ts";

/** One number that is no distribution: a throughput, a size, a count. */
export interface Figure {
  readonly name: string;
  readonly value: number;
  /** `runs/s`, `ms/MB`, `MB` … */
  readonly unit: string;
}

/** Rows that were measured together, and may be compared. */
export interface Table {
  readonly title: string;
  readonly rows: readonly Row[];
}

/** What a suite measured. */
export interface SuiteOutput {
  readonly tables: readonly Table[];
  readonly figures: readonly Figure[];
  /** What a reader must know to read the figures rightly, and what was left out and why. */
  readonly notes: readonly string[];
}

/** What a suite is given. */
export interface SuiteContext {
  /** Fewer samples: shows that everything works, proves nothing. */
  readonly quick: boolean;
  /** Seconds for one subject of one table, as an aim. */
  readonly seconds: number;
  /** A folder of this run's own, on the disk where a gateway's data would be; removed afterwards. */
  readonly folder: string;
  /** Runtime of the processes that are measured, where a suite starts any. */
  readonly host: "node" | "deno";
  readonly say: (line: string) => void;
}

/** One suite. */
export interface Suite {
  readonly name: string;
  readonly about: string;
  readonly run: (context: SuiteContext) => Promise<SuiteOutput>;
}
