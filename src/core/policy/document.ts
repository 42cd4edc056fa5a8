/**
 * From the text of a policy document to a plain JSON value of which every part can still be found in the text.
 *
 * YAML 1.2 (core schema) reads JSON too, so there is one parser. What makes YAML dangerous to review is refused
 * rather than understood: anchors, aliases, merge keys, tags, directives, several documents, duplicate keys.
 * The text is attacker-controlled: whatever it holds, this file answers with faults and never throws.
 */
import {
  Composer,
  type CST,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  Lexer,
  LineCounter,
  type Pair,
  Parser,
} from "yaml";
import { pointerOf, quote } from "./pointer.ts";
import type { JsonValue } from "./types.ts";

/** Longest text that is read, in UTF-16 code units. Keeps the worst document at about a second. */
export const MAX_POLICY_LENGTH = 256 * 1024;

/** Deepest nesting that is read. Checked before the parser's own recursion begins. */
export const MAX_POLICY_DEPTH = 64;

/** Most faults that are told of one document: a megabyte of messages helps nobody. */
export const MAX_POLICY_FAULTS = 100;

/** Line and column, both from 1. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

/** A place in the text and what is wrong there. `pointer` is an RFC 6901 JSON Pointer. */
export interface PlacedFault extends Place {
  readonly pointer: string;
  readonly detail: string;
}

/** What the text holds, or every reason why it holds nothing. */
export type ReadDocument =
  | {
      readonly kind: "ok";
      readonly value: JsonValue;
      /** Place of the value at a path, or of its nearest ancestor that exists; with `key`, of the key itself. */
      readonly placeOf: (path: readonly PropertyKey[], of: "value" | "key") => Place;
    }
  | { readonly kind: "faults"; readonly faults: readonly PlacedFault[] };

/**
 * Reads a document.
 *
 * @param text YAML 1.2 or JSON
 * @returns the value with its places, or the faults, at least one
 */
export function readDocument(text: string): ReadDocument {
  const lines = new LineCounter();
  lines.addNewLine(0);
  const notes = new Notes(lines);
  if (text.length > MAX_POLICY_LENGTH) {
    notes.add(0, [], `document is ${text.length} characters long, wanted at most ${MAX_POLICY_LENGTH}`);
    return { kind: "faults", faults: notes.faults };
  }
  const tokens = tokenize(text, lines, notes);
  if (notes.faults.length > 0) return { kind: "faults", faults: notes.faults };

  // INVARIANT: no version, schema or tag of the document's own choosing: directives and tags are faults.
  const composer = new Composer({ version: "1.2", schema: "core", uniqueKeys: false, stringKeys: true });
  const [document, other] = composer.compose(tokens, true, text.length);
  for (const error of [...(document?.errors ?? []), ...(document?.warnings ?? [])]) {
    notes.add(error.pos[0], [], notWellFormed(error.message));
  }
  if (other !== undefined)
    notes.add(other.range[0], [], "another document begins here, wanted one in each file");
  const value = plainValue(document?.contents, [], notes);
  if (notes.faults.length > 0) return { kind: "faults", faults: notes.faults };
  return { kind: "ok", value, placeOf: (path, of) => notes.at(locate(document?.contents, path, of)) };
}

/** A flow of `[[[[…` must not reach the composer: it recurses, and an exhausted stack is not a fault but a crash. */
function tokenize(text: string, lines: LineCounter, notes: Notes): readonly CST.Token[] {
  const parser = new Parser(lines.addNewLine);
  const tokens: CST.Token[] = [];
  for (const lexeme of new Lexer().lex(text)) {
    for (const token of parser.next(lexeme)) {
      if (token.type === "error") notes.add(token.offset, [], notWellFormed(token.message));
      tokens.push(token);
    }
    // A flood of errors is answered by its beginning; building the rest would take seconds.
    if (notes.faults.length >= MAX_POLICY_FAULTS) return [];
    if (parser.stack.length > MAX_POLICY_DEPTH) {
      notes.add(parser.offset, [], `document is nested more than ${MAX_POLICY_DEPTH} levels deep`);
      return [];
    }
  }
  for (const token of parser.end()) tokens.push(token);
  const directive = tokens.find((token) => token.type === "directive");
  if (directive !== undefined)
    notes.add(directive.offset, [], "a YAML directive is not read, wanted plain YAML 1.2");
  return tokens;
}

/** The faults found so far, with their places. */
class Notes {
  readonly #lines: LineCounter;
  readonly faults: PlacedFault[] = [];

  constructor(lines: LineCounter) {
    this.#lines = lines;
  }

  add(offset: number, path: readonly PropertyKey[], detail: string): void {
    if (this.faults.length >= MAX_POLICY_FAULTS) return;
    this.faults.push({ ...this.at(offset), pointer: pointerOf(path), detail });
  }

  at(offset: number): Place {
    const { line, col } = this.#lines.linePos(offset);
    return { line, column: col };
  }
}

/** The plain value of a node. `node` is what the composer built from hostile text, or nothing. */
function plainValue(node: unknown, path: readonly PropertyKey[], notes: Notes): JsonValue {
  const offset = offsetOf(node) ?? 0;
  if (isAlias(node))
    notes.add(offset, path, "a YAML alias is not read, wanted the value itself, quoted if it begins with *");
  noteProperties(node, path, notes);
  if (isMap(node)) return mappingOf(node.items, path, notes);
  if (isSeq(node)) return node.items.map((item, index) => plainValue(item, [...path, index], notes));
  if (isScalar(node)) return scalarOf(node.value, offset, path, notes);
  return null;
}

function mappingOf(
  pairs: readonly Pair<unknown, unknown>[],
  path: readonly PropertyKey[],
  notes: Notes,
): JsonValue {
  const entries = new Map<string, JsonValue>();
  for (const { key: node, value } of pairs) {
    const offset = offsetOf(node) ?? 0;
    noteProperties(node, path, notes);
    if (!isScalar(node) || typeof node.value !== "string") {
      notes.add(offset, path, "a key is not text, wanted a name");
      continue;
    }
    const key = node.value;
    const here = [...path, key];
    if (entries.has(key)) notes.add(offset, here, `duplicate key ${quote(key)}, wanted it once`);
    if (key === "<<") notes.add(offset, here, "a YAML merge key is not read, wanted the members themselves");
    // In most objects made from this document it would set a prototype instead of a member.
    if (key === "__proto__") notes.add(offset, here, 'key "__proto__" is not read');
    if (!key.isWellFormed())
      notes.add(offset, here, "a key holds a lone surrogate, wanted well-formed Unicode");
    entries.set(key, plainValue(value, here, notes));
  }
  entries.delete("__proto__");
  return Object.fromEntries(entries);
}

function scalarOf(value: unknown, offset: number, path: readonly PropertyKey[], notes: Notes): JsonValue {
  if (value === null || typeof value === "boolean") return value;
  if (typeof value === "number" && Number.isFinite(value)) return value;
  if (typeof value === "string") {
    if (!value.isWellFormed())
      notes.add(offset, path, "text holds a lone surrogate, wanted well-formed Unicode");
    return value;
  }
  notes.add(offset, path, "number is not finite");
  return null;
}

function noteProperties(node: unknown, path: readonly PropertyKey[], notes: Notes): void {
  if (!isScalar(node) && !isMap(node) && !isSeq(node)) return;
  const offset = offsetOf(node) ?? 0;
  if (node.anchor !== undefined) notes.add(offset, path, "a YAML anchor is not read, wanted the value alone");
  if (node.tag !== undefined) notes.add(offset, path, "a YAML tag is not read, wanted the value alone");
}

/** Offset of the node at a path, or of the last one on the way that exists. */
function locate(root: unknown, path: readonly PropertyKey[], of: "value" | "key"): number {
  let node = root;
  let offset = offsetOf(root) ?? 0;
  for (const [depth, step] of path.entries()) {
    const pair = isMap(node) ? node.items.find(({ key }) => isScalar(key) && key.value === step) : undefined;
    const last = depth === path.length - 1;
    node = isSeq(node) ? node.items[Number(step)] : pair?.value;
    const here =
      offsetOf(pair !== undefined && last && of === "key" ? pair.key : node) ?? offsetOf(pair?.key);
    if (here === undefined) break;
    offset = here;
  }
  return offset;
}

function offsetOf(node: unknown): number | undefined {
  if (!isScalar(node) && !isMap(node) && !isSeq(node) && !isAlias(node)) return undefined;
  return node.range?.[0];
}

/** The library's own words, without its excerpt of the text. */
function notWellFormed(message: string): string {
  return `document is not well-formed: ${(message.split("\n", 1)[0] ?? "").replace(/[.:]$/, "")}`;
}
