/** Tables for people, JSON for keeping. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Row } from "./harness.ts";
import type { Provenance } from "./machine.ts";
import type { SuiteOutput } from "./suite.ts";

/** One suite's result, as it is kept. */
export interface ResultFile extends SuiteOutput, Provenance {
  readonly schema: 1;
  readonly suite: string;
  readonly quick: boolean;
  readonly host: "node" | "deno";
  readonly startedAt: string;
  readonly seconds: number;
  /** One-minute load average before and after. */
  readonly load: { readonly before: number; readonly after: number };
}

/** Writes `<folder>/<suite>[-deno|-node24]-<date>.json`, by where it ran unless that is the Node that comes with the project; a later run of the same day replaces the earlier one. @returns its path */
export async function keep(folder: string, result: ResultFile): Promise<string> {
  await mkdir(folder, { recursive: true });
  const ran = /^node (\d+)/.exec(result.versions["bench"] ?? "")?.[1];
  const isPinned = result.versions["node"]?.startsWith(`${ran}.`) === true;
  const host = result.host !== "node" ? `-${result.host}` : isPinned ? "" : `-node${ran}`;
  const quick = result.quick ? "-quick" : "";
  const path = join(folder, `${result.suite}${host}-${result.startedAt.slice(0, 10)}${quick}.json`);
  await writeFile(path, `${JSON.stringify(result, round, 2)}\n`);
  return path;
}

/** A suite's output as lines. */
export function format({ tables, figures, notes }: SuiteOutput): readonly string[] {
  const lines: string[] = [];
  for (const { title, rows } of tables) {
    lines.push("", title);
    const width = Math.max(...rows.map(({ name }) => name.length), 8);
    lines.push(
      `  ${"".padEnd(width)}  ${["p10 ms", "p50 ms", "p95 ms", "p99 ms", "samples"].map((head) => head.padStart(9)).join("")}  ratio (low–high)`,
    );
    for (const row of rows) lines.push(`  ${row.name.padEnd(width)}  ${formatRow(row)}`);
  }
  if (figures.length > 0) {
    lines.push("");
    const width = Math.max(...figures.map(({ name }) => name.length));
    for (const { name, value, unit } of figures)
      lines.push(`  ${name.padEnd(width)}  ${digits(value).padStart(9)} ${unit}`);
  }
  for (const note of notes) lines.push("", `  note: ${note}`);
  return lines;
}

function formatRow({ p10, p50, p95, p99, samples, ratio }: Row): string {
  const cells = [digits(p10), digits(p50), digits(p95), digits(p99), String(samples)]
    .map((cell) => cell.padStart(9))
    .join("");
  if (ratio === undefined) return cells;
  return `${cells}  ${digits(ratio.median)}× (${digits(ratio.low)}–${digits(ratio.high)}) of ${ratio.to}`;
}

function digits(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  return value.toFixed(value >= 100 ? 0 : value >= 10 ? 1 : value >= 1 ? 2 : 4);
}

/** Six significant digits: more would be the clock's noise. */
function round(_key: string, value: unknown): unknown {
  return typeof value === "number" && !Number.isInteger(value) ? Number(value.toPrecision(6)) : value;
}
