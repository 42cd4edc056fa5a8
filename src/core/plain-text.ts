/**
 * Plain text for people: aligned columns, and nothing in them that moves a cursor or hides a letter. What is written may
 * be a guest's, a vendor's or an attacker's.
 */

/** Escapes every control character, direction mark and lone surrogate. */
export function printable(text: string): string {
  return text.replace(
    /[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/gu,
    (letter) => `\\u{${(letter.codePointAt(0) ?? 0).toString(16)}}`,
  );
}

/**
 * Aligns columns, two spaces between them and two before the first. The last one is not padded.
 *
 * @param rows cells without colours: widths are counted in UTF-16 units
 */
export function alignColumns(rows: readonly (readonly string[])[]): readonly string[] {
  const widths = rows.reduce<number[]>(
    (known, row) => row.map((cell, index) => Math.max(known[index] ?? 0, cell.length)),
    [],
  );
  return rows.map((row) =>
    `  ${row.map((cell, index) => (index === row.length - 1 ? cell : cell.padEnd(widths[index] ?? 0))).join("  ")}`.trimEnd(),
  );
}
