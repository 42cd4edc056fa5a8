/**
 * Reads the doc comments of functions out of WIT text.
 *
 * Component binaries do not keep them, and a caller, human or model, chooses a tool by them; so the build writes
 * them beside the component. This is a line scanner, not a parser: it runs after the WIT tools have accepted the
 * text, and what it misses is a missing description, never a wrong type.
 */

/**
 * Collects the doc comment of every function of the interfaces that a package's worlds export.
 *
 * @param wit the text of one package
 * @returns `<interface>/<function>` → its doc comment, paragraphs parted by an empty line; `""` when it has none
 * @example
 * ```ts
 * functionDocs("interface i {\n  /// Adds.\n  add: func();\n}\nworld w {\n  export i;\n}");
 * // { "i/add": "Adds." }
 * ```
 */
export function functionDocs(wit: string): Record<string, string> {
  const exported = new Set(
    Array.from(wit.matchAll(/^\s*export\s+([a-z][a-z0-9-]*)\s*;/gm), (match) => match[1] ?? ""),
  );
  const docs: Record<string, string> = {};
  let comment: string[] = [];
  let current: string | null = null;
  let depth = 0;
  for (const raw of wit.split("\n")) {
    const line = raw.trim();
    if (line.startsWith("///")) {
      comment.push(line.slice(3).trim());
      continue;
    }
    const code = line.replace(/\/\/.*$/, "");
    const opened = depth === 0 ? /^interface\s+%?([a-z][a-z0-9-]*)/.exec(code)?.[1] : undefined;
    current = opened ?? current;
    const name = depth === 1 ? /^%?([a-z][a-z0-9-]*)\s*:\s*(?:async\s+)?func\b/.exec(code)?.[1] : undefined;
    if (name !== undefined && current !== null && exported.has(current)) {
      docs[`${current}/${name}`] = joinParagraphs(comment);
    }
    depth += count(code, "{") - count(code, "}");
    current = depth === 0 && opened === undefined ? null : current;
    // An attribute such as `@since(…)` stands between a comment and what it is about.
    comment = code.startsWith("@") ? comment : [];
  }
  return docs;
}

function joinParagraphs(lines: readonly string[]): string {
  return lines
    .map((line) => (line === "" ? "\n\n" : line))
    .join(" ")
    .replace(/ *\n\n */g, "\n\n")
    .trim();
}

function count(text: string, character: string): number {
  return text.split(character).length - 1;
}
