/**
 * The types of a core module's functions, as far as a component's border can use them: plain numbers. A function of
 * another type can not be lifted, and no trampoline has one.
 *
 * @see https://webassembly.github.io/spec/core/binary/types.html
 */
import type { Reader } from "./reader.ts";

const NUMBERS: ReadonlyMap<number, string> = new Map([
  [0x7f, "i32"],
  [0x7e, "i64"],
  [0x7d, "f32"],
  [0x7c, "f64"],
]);

/** A function type in words: `i32 i64 -> i32`. Equal words, equal types; a part that is no number is `other`. */
export function signatureText(params: readonly string[], results: readonly string[]): string {
  return `${params.join(" ")} -> ${results.join(" ")}`;
}

/** Reads a type section. @returns the words of each function type; undefined for structs and arrays */
export function readCoreTypes(section: Reader): readonly (string | undefined)[] {
  const types: (string | undefined)[] = [];
  const readSubtype = () => {
    const opcode = section.peek();
    if (opcode === 0x50 || opcode === 0x4f) {
      section.byte();
      section.vector(() => section.u32());
    }
    types.push(readComposite(section));
  };
  section.vector(() => {
    if (section.peek() !== 0x4e) return readSubtype();
    section.byte();
    section.vector(readSubtype);
  });
  return types;
}

function readComposite(section: Reader): string | undefined {
  // Shared, which is for the engine to refuse.
  if (section.peek() === 0x65) section.byte();
  switch (section.oneOf([0x60, 0x5f, 0x5e], "core composite type")) {
    case 0x60:
      return signatureText(
        section.vector(() => readNumber(section)),
        section.vector(() => readNumber(section)),
      );
    case 0x5f:
      section.vector(() => passField(section), 2);
      return undefined;
    default:
      passField(section);
      return undefined;
  }
}

function readNumber(section: Reader): string {
  const name = NUMBERS.get(section.peek() ?? 0);
  coreValueType(section);
  return name ?? "other";
}

function passField(section: Reader): void {
  const packed = section.peek();
  if (packed === 0x78 || packed === 0x77) section.byte();
  else coreValueType(section);
  section.oneOf([0x00, 0x01], "mutability");
}

/** Passes over a core value or reference type: one byte, or `(ref null? heaptype)` in three forms. */
export function coreValueType(reader: Reader): void {
  const byte = reader.byte();
  if (byte !== 0x63 && byte !== 0x64) return;
  // A heap type is a signed LEB128 of 33 bits, and 0x65 before it means shared.
  if (reader.peek() === 0x65) reader.byte();
  reader.skipU64();
}
