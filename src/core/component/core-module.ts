/**
 * Looks into a core module inside a component: its imports and exports, and how many and how large functions it has.
 * Code and data, nearly all of a component's bytes, are passed over unread; whether they are valid is for the engine to
 * say.
 */
import { coreValueType, readCoreTypes } from "./core-signatures.ts";
import { LIMITS } from "./limits.ts";
import type { Reader } from "./reader.ts";
import type { CoreExport, CoreImport, CoreKind, CoreModule } from "./wit.ts";

const TYPE_SECTION = 1;
const IMPORT_SECTION = 2;
const FUNCTION_SECTION = 3;
const EXPORT_SECTION = 7;
const CODE_SECTION = 10;
/** Of 64 KiB, that 32 bits can address. */
const MOST_PAGES = 65_536;

/**
 * Reads the borders of a core module; every name goes through the gate.
 *
 * @param module a reader whose window is exactly the module
 * @throws GatewayError `component-refused` when it is no core module, is malformed or a name fails the gate
 * @see https://webassembly.github.io/spec/core/binary/modules.html
 */
export function readCoreModule(module: Reader): CoreModule {
  const offset = module.at;
  for (const [index, wanted] of [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00].entries()) {
    if (module.byte() !== wanted) throw module.refusal("is no core module of version 1", offset + index);
  }
  let types: readonly (string | undefined)[] = [];
  /** Of each function, those that are imported first. */
  const functions: number[] = [];
  const imports: CoreImport[] = [];
  const exports: CoreExport[] = [];
  while (!module.done) {
    const id = module.byte();
    const section = module.window(module.u32(), `core module at ${offset}, section ${id}`);
    if (id === TYPE_SECTION) {
      types = readCoreTypes(section);
      section.finish();
    } else if (id === IMPORT_SECTION) {
      const names = new Set<string>();
      for (const { type, ...item } of section.vector(() => coreImport(section), 4)) {
        const name = JSON.stringify([item.module, item.name]);
        // A component's core modules are linked by name: two imports of one name could not be told apart.
        if (names.has(name))
          throw section.refusal(`the core import "${item.module}" "${item.name}" is there twice`);
        names.add(name);
        if (item.kind === "func") functions.push(type);
        imports.push({ ...item, ...(item.kind === "func" && signed(types[type])) });
      }
      section.finish();
    } else if (id === EXPORT_SECTION) {
      for (const { index, ...item } of section.vector(() => coreExport(section), 3))
        exports.push({ ...item, ...(item.kind === "func" && signed(types[functions[index] ?? -1])) });
      section.finish();
    } else if (id === FUNCTION_SECTION) {
      const count = section.u32();
      section.budget.spend("coreFunctions", count);
      for (let left = count; left > 0; left--) functions.push(section.u32());
    } else if (id === CODE_SECTION) {
      passBodies(section);
    }
  }
  return { offset, byteLength: module.end - offset, imports, exports };
}

function signed(signature: string | undefined): { readonly signature?: string } {
  return signature === undefined ? {} : { signature };
}

/** Passes over the bodies of a code section, none of which may be too long. */
function passBodies(section: Reader): void {
  for (let count = section.u32(); count > 0; count--) {
    const start = section.at;
    const bytes = section.u32();
    if (bytes > LIMITS.functionBytes) {
      throw section.refusal(
        `body of ${bytes} bytes, the limit of this gateway is ${LIMITS.functionBytes}`,
        start,
      );
    }
    section.window(bytes, section.place);
  }
}

/**
 * Reads one import: two names and a type. Also found in core module types.
 *
 * @param types how many types there are so far; default not known, the engine will say
 */
export function coreImport(reader: Reader, types?: number): CoreImport & { readonly type: number } {
  const module = reader.name();
  const name = reader.name();
  return { module, name, ...coreExternType(reader, types) };
}

function coreExport(reader: Reader): CoreExport & { readonly index: number } {
  const name = reader.name();
  const kind = coreKind(reader, reader.byte());
  return { name, kind, index: reader.u32() };
}

/**
 * Reads the type of a core import or export; `types` as for {@link coreImport}.
 *
 * @returns `type`: the index of a function's type or a tag's, else -1
 */
export function coreExternType(
  reader: Reader,
  types = Number.POSITIVE_INFINITY,
): { readonly kind: CoreKind; readonly type: number } {
  const kind = coreKind(reader, reader.byte());
  let type = -1;
  switch (kind) {
    case "func":
      type = coreTypeIndex(reader, types);
      break;
    case "table":
      coreValueType(reader);
      coreLimits(reader);
      break;
    case "memory":
      coreLimits(reader, MOST_PAGES);
      break;
    case "global":
      coreValueType(reader);
      reader.oneOf([0x00, 0x01, 0x02, 0x03], "mutability");
      break;
    case "tag":
      reader.oneOf([0x00], "tag attribute");
      type = coreTypeIndex(reader, types);
      break;
  }
  return { kind, type };
}

function coreTypeIndex(reader: Reader, types: number): number {
  const { at } = reader;
  const index = reader.u32();
  if (index >= types) throw reader.refusal(`there is no core type ${index}, only ${types} so far`, at);
  return index;
}

function coreKind(reader: Reader, byte: number): CoreKind {
  const kinds: readonly CoreKind[] = ["func", "table", "memory", "global", "tag"];
  const kind = kinds[byte];
  if (kind === undefined) throw reader.refusal(`unknown core sort 0x${byte.toString(16)}`, reader.at - 1);
  return kind;
}

/** @param most of what is addressed by 32 bits; default as many as there are */
function coreLimits(reader: Reader, most = 2 ** 32): void {
  const flags = reader.byte();
  if (flags > 0x0f) throw reader.refusal(`unknown limits 0x${flags.toString(16)}`, reader.at - 1);
  // Addressed by 64 bits, or in pages of another size: for the engine to say.
  const isOrdinary = (flags & 0x0c) === 0;
  for (let left = (flags & 0x01) === 0 ? 1 : 2; left > 0; left--) {
    const { at } = reader;
    if (!isOrdinary) reader.skipU64();
    else if (reader.u32() > most) throw reader.refusal(`limits beyond ${most}`, at);
  }
  if ((flags & 0x08) !== 0) reader.u32();
}
