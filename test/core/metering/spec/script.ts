/**
 * Reads the WebAssembly spec suite's script format (`.wast`) as far as running it needs: s-expressions with their
 * place in the source, so that a module's text can be handed to an assembler as it stands.
 *
 * @see https://github.com/WebAssembly/spec/blob/main/interpreter/README.md#scripts
 */

/** An s-expression: an atom, a string (its bytes), or a list. `start` and `end` are offsets in the source. */
export type Expression =
  | { readonly kind: "atom"; readonly text: string; readonly start: number; readonly end: number }
  | { readonly kind: "string"; readonly bytes: Uint8Array; readonly start: number; readonly end: number }
  | {
      readonly kind: "list";
      readonly items: readonly Expression[];
      readonly start: number;
      readonly end: number;
    };

/** Reads all top-level forms of a script. */
export function readScript(source: string): Expression[] {
  let pos = 0;
  const forms: Expression[] = [];
  for (skipSpace(); pos < source.length; skipSpace()) forms.push(read());
  return forms;

  function read(): Expression {
    const start = pos;
    if (source[pos] === "(") {
      pos += 1;
      const items: Expression[] = [];
      for (skipSpace(); source[pos] !== ")"; skipSpace()) {
        if (pos >= source.length) throw new SyntaxError(`Unclosed form at ${start}`);
        items.push(read());
      }
      pos += 1;
      return { kind: "list", items, start, end: pos };
    }
    if (source[pos] === '"') {
      pos += 1;
      while (source[pos] !== '"') pos += source[pos] === "\\" ? 2 : 1;
      pos += 1;
      return { kind: "string", bytes: bytesOf(source.slice(start + 1, pos - 1)), start, end: pos };
    }
    while (pos < source.length && !/[\s()";]/.test(source[pos] ?? "")) pos += 1;
    if (pos === start) throw new SyntaxError(`Unexpected "${source[pos]}" at ${start}`);
    return { kind: "atom", text: source.slice(start, pos), start, end: pos };
  }

  function skipSpace(): void {
    for (;;) {
      while (/\s/.test(source[pos] ?? "")) pos += 1;
      if (source.startsWith(";;", pos)) {
        const end = source.indexOf("\n", pos);
        pos = end < 0 ? source.length : end + 1;
      } else if (source.startsWith("(;", pos)) {
        let depth = 0;
        do {
          if (source.startsWith("(;", pos)) depth += 1;
          else if (source.startsWith(";)", pos)) depth -= 1;
          else {
            pos += 1;
            continue;
          }
          pos += 2;
        } while (depth > 0);
      } else return;
    }
  }
}

/** @returns the head atom of a list, or undefined */
export function headOf(form: Expression | undefined): string | undefined {
  const head = form?.kind === "list" ? form.items[0] : undefined;
  return head?.kind === "atom" ? head.text : undefined;
}

/** @returns an atom's text or a string's text; the empty string for a list */
export function textOf(form: Expression | undefined): string {
  if (form?.kind === "atom") return form.text;
  if (form?.kind === "string") return new TextDecoder().decode(form.bytes);
  return "";
}

function bytesOf(text: string): Uint8Array {
  const bytes: number[] = [];
  const pattern = /\\u\{([0-9a-fA-F_]+)\}|\\([0-9a-fA-F]{2})|\\(.)|([^\\]+)/gsu;
  const simple: Record<string, string> = { n: "\n", t: "\t", r: "\r" };
  for (const [, code, hex, escaped, plain] of text.matchAll(pattern)) {
    if (hex !== undefined) bytes.push(Number.parseInt(hex, 16));
    else if (code !== undefined) {
      bytes.push(
        ...new TextEncoder().encode(String.fromCodePoint(Number.parseInt(code.replaceAll("_", ""), 16))),
      );
    } else
      bytes.push(...new TextEncoder().encode(escaped === undefined ? plain : (simple[escaped] ?? escaped)));
  }
  return Uint8Array.from(bytes);
}
