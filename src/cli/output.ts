/**
 * Lines for a terminal: aligned columns, few colours, and nothing in them that moves the cursor. Names and versions in
 * a component, and words in a manifest, are the vendor's or an attacker's.
 */
import type { CliWorld } from "./world.ts";

export { alignColumns, printable } from "../core/manifest/index.ts";

/** Marks for emphasis; each returns its text as it is when there are no colours. */
export interface Paint {
  bold(text: string): string;
  dim(text: string): string;
  good(text: string): string;
  bad(text: string): string;
}

/** Colours on a terminal, unless `NO_COLOR` is set to anything. @see https://no-color.org */
export function createPaint({ runtime, terminal }: Pick<CliWorld, "runtime" | "terminal">): Paint {
  const colours = terminal.isTty && (runtime.env("NO_COLOR") ?? "") === "";
  const paint = (code: number) => (text: string) => (colours ? `\u001b[${code}m${text}\u001b[0m` : text);
  return { bold: paint(1), dim: paint(2), good: paint(32), bad: paint(31) };
}

/** `2412 bytes`, `11.6 MiB`: for people; machines get the number. */
export function formatBytes(bytes: number): string {
  if (bytes < 10_000) return `${bytes} bytes`;
  return bytes < 2 ** 20 ? `${(bytes / 2 ** 10).toFixed(1)} KiB` : `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}

/** `3 imports`, `1 import`. */
export function formatCount(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? "" : "s"}`;
}

/** A value as indented JSON, as every `--json` prints it. */
export function printJson({ runtime }: Pick<CliWorld, "runtime">, value: unknown): void {
  runtime.print(JSON.stringify(value, null, 2));
}
