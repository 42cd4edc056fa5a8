/**
 * The text tool: pure functions over text, written for a bare ECMAScript engine.
 *
 * QuickJS gives no fetch, no timers, no TextEncoder and no console, and this tool's world imports nothing, so
 * there is nothing here to grant. Every function returns at once: a promise from a sync export traps.
 *
 * A function whose WIT result has an `err` side throws the error's value: the engine lowers a thrown value that is
 * no `Error`, and traps on one that is.
 */

interface CsvOptions {
  readonly delimiter: string | null;
  readonly header: boolean;
}

type CsvRow =
  | { readonly tag: "fields"; readonly val: readonly string[] }
  | { readonly tag: "named"; readonly val: readonly (readonly [string, string])[] };

type CsvError =
  | { readonly tag: "unclosed-quote" | "text-after-quote" | "ragged-row"; readonly val: number }
  | { readonly tag: "bad-delimiter" };

type DiffError = { readonly tag: "too-long"; readonly val: number };

type Change = { readonly tag: "keep" | "add" | "remove"; readonly val: string };

interface TextStats {
  readonly characters: number;
  readonly words: number;
  readonly lines: number;
  readonly longestWord: string | null;
}

interface CsvRecord {
  readonly line: number;
  readonly fields: readonly string[];
}

/** Lines that `diff` compares at most, both texts together: its table has a cell per pair of lines. */
const diffLines = 2000;

/** The interface `text` of world.wit. */
export const text = { readCsv, csvToJson, diff, stats, slug };

function readCsv(csv: string, options: CsvOptions): CsvRow[] {
  const records = parseCsv(csv, options.delimiter ?? ",");
  if (!options.header) {
    return records.map(({ fields }) => ({ tag: "fields", val: fields }));
  }
  const names = records[0]?.fields ?? [];
  return records.slice(1).map(({ line, fields }) => {
    if (fields.length !== names.length) {
      throw { tag: "ragged-row", val: line } satisfies CsvError;
    }
    return { tag: "named", val: fields.map((field, column) => [names[column] ?? "", field] as const) };
  });
}

function csvToJson(csv: string, options: CsvOptions): string {
  const rows = readCsv(csv, options);
  // Object.fromEntries defines members, so a column called `__proto__` is a column like any other.
  return JSON.stringify(rows.map((row) => (row.tag === "named" ? Object.fromEntries(row.val) : row.val)));
}

/** RFC 4180, with any of CR, LF and CRLF as the line's end. */
function parseCsv(csv: string, delimiter: string): CsvRecord[] {
  if (delimiter === '"' || delimiter === "\n" || delimiter === "\r") {
    throw { tag: "bad-delimiter" } satisfies CsvError;
  }
  const records: CsvRecord[] = [];
  let at = 0;
  let line = 1;
  while (at < csv.length) {
    const start = line;
    const fields: string[] = [];
    for (let more = true; more; ) {
      const field = csv[at] === '"' ? quotedField(csv, at, line) : plainField(csv, at, delimiter);
      fields.push(field.value);
      line += field.lines;
      at = field.end;
      more = csv.startsWith(delimiter, at);
      if (more) {
        at += delimiter.length;
      } else if (at < csv.length && csv[at] !== "\n" && csv[at] !== "\r") {
        throw { tag: "text-after-quote", val: line } satisfies CsvError;
      }
    }
    at += csv.startsWith("\r\n", at) ? 2 : 1;
    line += 1;
    records.push({ line: start, fields });
  }
  return records;
}

function plainField(
  csv: string,
  start: number,
  delimiter: string,
): { value: string; end: number; lines: number } {
  let end = start;
  while (end < csv.length && csv[end] !== "\n" && csv[end] !== "\r" && !csv.startsWith(delimiter, end)) {
    end += 1;
  }
  return { value: csv.slice(start, end), end, lines: 0 };
}

/** Reads from an opening quote to just behind the closing one; two quotes in a row are one quote of the field. */
function quotedField(
  csv: string,
  start: number,
  line: number,
): { value: string; end: number; lines: number } {
  let value = "";
  for (let at = start + 1; ; ) {
    const quote = csv.indexOf('"', at);
    if (quote === -1) {
      throw { tag: "unclosed-quote", val: line } satisfies CsvError;
    }
    value += csv.slice(at, quote);
    if (csv[quote + 1] !== '"') {
      return { value, end: quote + 1, lines: value.split(/\r\n|\r|\n/).length - 1 };
    }
    value += '"';
    at = quote + 2;
  }
}

/** The shortest list of changes, by the table of longest common subsequences. */
function diff(before: string, after: string): Change[] {
  const old = splitLines(before);
  const now = splitLines(after);
  if (old.length + now.length > diffLines) {
    throw { tag: "too-long", val: diffLines } satisfies DiffError;
  }
  const common = commonLengths(old, now);
  const width = now.length + 1;
  const changes: Change[] = [];
  let i = 0;
  let j = 0;
  while (i < old.length && j < now.length) {
    const [oldLine = "", newLine = ""] = [old[i], now[j]];
    if (oldLine === newLine) {
      changes.push({ tag: "keep", val: oldLine });
      i += 1;
      j += 1;
    } else if ((common[(i + 1) * width + j] ?? 0) >= (common[i * width + j + 1] ?? 0)) {
      changes.push({ tag: "remove", val: oldLine });
      i += 1;
    } else {
      changes.push({ tag: "add", val: newLine });
      j += 1;
    }
  }
  for (const line of old.slice(i)) changes.push({ tag: "remove", val: line });
  for (const line of now.slice(j)) changes.push({ tag: "add", val: line });
  return changes;
}

/** Cell `i * (now.length + 1) + j` holds how many lines `old` from `i` and `now` from `j` share, in order. */
function commonLengths(old: readonly string[], now: readonly string[]): Uint16Array {
  const width = now.length + 1;
  const common = new Uint16Array((old.length + 1) * width);
  for (let i = old.length - 1; i >= 0; i -= 1) {
    for (let j = now.length - 1; j >= 0; j -= 1) {
      const below = common[(i + 1) * width + j] ?? 0;
      const right = common[i * width + j + 1] ?? 0;
      const diagonal = common[(i + 1) * width + j + 1] ?? 0;
      common[i * width + j] = old[i] === now[j] ? diagonal + 1 : Math.max(below, right);
    }
  }
  return common;
}

function stats(value: string): TextStats {
  const words = value.match(/\S+/gu) ?? [];
  let longestWord: string | null = null;
  for (const word of words) {
    if (longestWord === null || countCharacters(word) > countCharacters(longestWord)) longestWord = word;
  }
  return {
    characters: countCharacters(value),
    words: words.length,
    lines: splitLines(value).length,
    longestWord,
  };
}

function slug(title: string, maxLength: number | null): string | null {
  const dashed = title
    .normalize("NFKD")
    .replace(/\p{Mark}/gu, "")
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-/, "");
  const cut = dashed.slice(0, maxLength ?? dashed.length).replace(/-$/, "");
  return cut === "" ? null : cut;
}

function splitLines(value: string): string[] {
  const lines = value.split(/\r\n|\r|\n/);
  if (lines.at(-1) === "") lines.pop();
  return lines;
}

function countCharacters(value: string): number {
  let count = 0;
  for (const _ of value) count += 1;
  return count;
}
