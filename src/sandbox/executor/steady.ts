/**
 * Finds the modules whose instances can be made what they were, and lets the executor do it. What an instance can change
 * of itself is its memories, its globals and its tables, and which of its segments are left. Memories the executor
 * writes anew. Globals it can set again when they are numbers that JavaScript has exactly, and exported; so they are, under
 * names of ours. Tables and segments it can not: a module whose code changes any is not steady.
 *
 * Whatever is not understood here is not steady, and is instantiated for each run.
 */
import { joinBytes } from "../../core/bytes.ts";
import {
  appended,
  IMAGE_NAME,
  type Imported,
  name,
  readImports,
  readLeb,
  readSections,
  type Section,
  section,
  skipLimits,
  writeLeb,
} from "./image.ts";

/** A module, and what must be set again in an instance of it. */
export interface ExposedModule {
  readonly wasm: Uint8Array<ArrayBuffer>;
  /** Names of its exports that are globals which can change; `null` when it is not steady. */
  readonly globals: readonly string[] | null;
}

/** The metering pass and the preparer refuse modules that export such names themselves. */
const GLOBAL_EXPORT = `${IMAGE_NAME}/global/`;
const [TABLE, GLOBAL] = [1, 3];
const [FUNCREF, I32, I64] = [0x70, 0x7f, 0x7e];
const [IMPORTS, TABLES, MEMORIES, GLOBALS, EXPORTS] = [2, 4, 5, 6, 7];
/** Sections that stand behind the exports. */
const BEHIND_EXPORTS: ReadonlySet<number> = new Set([8, 9, 10, 11, 12]);

/**
 * @param wasm a valid module, metered and without its image
 * @param changesTables whether its code changes a table or drops a segment
 */
export function exposeGlobals(wasm: Uint8Array<ArrayBuffer>, changesTables: boolean): ExposedModule {
  const sections = readSections(wasm);
  const find = (id: number) => sections.find((it) => it.id === id);
  const imported = countImportedGlobals(wasm, find(IMPORTS));
  const changing = findChanging(wasm, find(GLOBALS));
  // A memory that is left in the module is out of the executor's reach.
  const isSteady = !changesTables && find(MEMORIES) === undefined && hasPlainTables(wasm, find(TABLES));
  if (!isSteady || imported === undefined || changing === undefined) return { wasm, globals: null };
  const globals = changing.map((index) => `${GLOBAL_EXPORT}${index}`);
  if (globals.length === 0) return { wasm, globals };
  const entries = changing.flatMap((index, at) => [
    ...name(globals[at] ?? ""),
    GLOBAL,
    ...writeLeb(imported + index),
  ]);
  return { wasm: withExports(wasm, sections, entries, globals.length), globals };
}

function withExports(
  wasm: Uint8Array,
  sections: readonly Section[],
  entries: readonly number[],
  count: number,
): Uint8Array<ArrayBuffer> {
  const pieces = [wasm.subarray(0, 8)];
  let written = false;
  const hasExports = sections.some(({ id }) => id === EXPORTS);
  for (const each of sections) {
    if (!written && !hasExports && BEHIND_EXPORTS.has(each.id)) {
      pieces.push(section(EXPORTS, Uint8Array.from([...writeLeb(count), ...entries])));
      written = true;
    }
    pieces.push(
      each.id === EXPORTS ? appended(wasm, each, entries, count) : wasm.subarray(each.start, each.end),
    );
  }
  if (!written && !hasExports)
    pieces.push(section(EXPORTS, Uint8Array.from([...writeLeb(count), ...entries])));
  return joinBytes(pieces);
}

/** @returns undefined when a type is not one that is read here */
function countImportedGlobals(wasm: Uint8Array, imports: Section | undefined): number | undefined {
  const imported = imports === undefined ? [] : readImports(wasm, imports);
  const isKnown = ({ kind, type }: Imported) =>
    kind === TABLE ? type === FUNCREF : kind !== GLOBAL || isNumber(type);
  return imported?.every(isKnown) ? imported.filter(({ kind }) => kind === GLOBAL).length : undefined;
}

/** Indices among the module's own globals of those that can change; undefined when one is not to be set from outside. */
function findChanging(wasm: Uint8Array, globals: Section | undefined): readonly number[] | undefined {
  if (globals === undefined) return [];
  const changing: number[] = [];
  const count = readLeb(wasm, globals.content);
  let at = count.next;
  for (let index = 0; index < count.value; index += 1) {
    const type = wasm[at] ?? 0;
    const changes = wasm[at + 1] === 1;
    // A reference may be to what changes, though it does not itself; of floats JavaScript does not keep every NaN.
    if (changes ? type !== I32 && type !== I64 : !isNumber(type)) return undefined;
    if (changes) changing.push(index);
    const end = skipConstant(wasm, at + 2);
    if (end === undefined) return undefined;
    at = end;
  }
  return changing;
}

/** Whether all of them hold functions, and nothing that could be changed through them. */
function hasPlainTables(wasm: Uint8Array, tables: Section | undefined): boolean {
  if (tables === undefined) return true;
  const count = readLeb(wasm, tables.content);
  let at = count.next;
  for (let left = count.value; left > 0; left -= 1) {
    if (wasm[at] !== FUNCREF) return false;
    at = skipLimits(wasm, at + 1);
  }
  return true;
}

/** Numbers and vectors. */
function isNumber(type: number): boolean {
  return type >= 0x7b && type <= I32;
}

/** The end of a constant expression; undefined when there is anything in it that is not read here. */
function skipConstant(wasm: Uint8Array, start: number): number | undefined {
  for (let at = start; ; ) {
    const opcode = wasm[at];
    at += 1;
    switch (opcode) {
      case 0x0b: // end
        return at;
      case 0x23: // global.get
      case 0x41: // i32.const
      case 0x42: // i64.const
        at = readLeb(wasm, at).next;
        break;
      case 0x43: // f32.const
        at += 4;
        break;
      case 0x44: // f64.const
        at += 8;
        break;
      case 0x6a: // i32.add, sub, mul; i64 below
      case 0x6b:
      case 0x6c:
      case 0x7c:
      case 0x7d:
      case 0x7e:
        break;
      default:
        return undefined;
    }
  }
}
