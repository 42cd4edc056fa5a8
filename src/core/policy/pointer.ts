/** Places and values of a document, written for messages. */

/**
 * Writes a path as an RFC 6901 JSON Pointer.
 *
 * @param path keys and indexes, outermost first
 * @returns the pointer; empty for the document itself
 * @see RFC 6901
 */
export function pointerOf(path: readonly PropertyKey[]): string {
  return path.map((step) => `/${String(step).replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
}

/**
 * Quotes a value for a message, shortened: it may be megabytes of somebody else's choosing.
 *
 * @param value any JSON value, or undefined
 * @returns JSON text of scalars, cut after 60 characters; a description of anything else
 */
export function quote(value: unknown): string {
  if (Array.isArray(value)) return value.length === 0 ? "an empty list" : "a list";
  if (typeof value === "object" && value !== null) return "a mapping";
  if (typeof value === "string" && value.length > 60) return `${JSON.stringify(value.slice(0, 60))}…`;
  return JSON.stringify(value) ?? "nothing";
}

/**
 * Finds the known name that a wrong one was probably meant to be.
 *
 * @param name attacker-controlled text
 * @param known names to choose from
 * @returns the nearest within two edits (one for names under five characters), or undefined
 */
export function nearestName(name: string, known: readonly string[]): string | undefined {
  if (name.length > 64) return undefined;
  const plain = name.toLowerCase().replaceAll("-", "_");
  let best: { readonly word: string; readonly edits: number } | undefined;
  for (const word of known) {
    const edits = editDistance(plain, word);
    if (edits <= (word.length < 5 ? 1 : 2) && edits < (best?.edits ?? 3)) best = { word, edits };
  }
  return best?.word;
}

/** Levenshtein distance, two rows. */
function editDistance(from: string, to: string): number {
  let previous = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (let row = 1; row <= from.length; row++) {
    const current = [row];
    for (let column = 1; column <= to.length; column++) {
      const same = from[row - 1] === to[column - 1] ? 0 : 1;
      const replace = (previous[column - 1] ?? 0) + same;
      current.push(Math.min(replace, (previous[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1));
    }
    previous = current;
  }
  return previous[to.length] ?? 0;
}
