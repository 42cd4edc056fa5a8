/** Text that a guest wrote, kept for the operator: every control character is made visible, whatever it was. */
import type { DiagnosticLine } from "./capability.ts";

/** Lines kept per stream; the log budget bounds the bytes, this bounds what empty lines cost. */
const MAX_LINES = 10_000;

/**
 * Control, bidirectional-formatting and line-separator characters: in a terminal or a log they forge lines, hide
 * text or move the cursor.
 */
const UNPRINTABLE = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/gu;

/** Makes a guest's text harmless to print on one line: `\n` becomes `\u{a}`. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`);
}

/** Lines of one stream, as they come in pieces. */
export class LineBuffer {
  readonly #stream: DiagnosticLine["stream"];
  readonly #lines: DiagnosticLine[] = [];
  readonly #decoder = new TextDecoder();
  readonly #full: () => void;
  #partial: string[] = [];

  /** @param full told at the line for which there is no room: it is not kept, and the run must not go on as if it were */
  constructor(stream: DiagnosticLine["stream"], full: () => void = () => undefined) {
    this.#stream = stream;
    this.#full = full;
  }

  /** Adds bytes; a line ends at each line feed. */
  append(bytes: Uint8Array): void {
    const [first = "", ...rest] = this.#decoder.decode(bytes, { stream: true }).split("\n");
    this.#partial.push(first);
    for (const piece of rest) {
      this.add(this.#partial.join(""));
      this.#partial = [piece];
    }
  }

  /** Adds one whole line. */
  add(text: string): void {
    if (this.#lines.length >= MAX_LINES) {
      this.#full();
      return;
    }
    this.#lines.push(Object.freeze({ stream: this.#stream, text: printable(text) }));
  }

  /** Lines so far, the unfinished one included. */
  lines(): readonly DiagnosticLine[] {
    const text = this.#partial.join("");
    return text === "" ? this.#lines : [...this.#lines, { stream: this.#stream, text: printable(text) }];
  }
}
