/**
 * Core types at the level of components: of functions, and of modules, whose names go through the gate. Of a
 * module's type its border is kept, which a module that is passed for it is held against.
 */
import { coreExternType, coreImport } from "./core-module.ts";
import { coreValueType } from "./core-signatures.ts";
import { type ModuleBorder, moduleBorder } from "./module-border.ts";
import type { Reader } from "./reader.ts";
import type { Scope } from "./scope.ts";
import type { CoreExport, CoreImport } from "./wit.ts";

/** Reads a core type into its index space. */
export function readCoreType(reader: Reader, scope: Scope): void {
  const start = reader.at;
  const opcode = reader.peek() ?? 0;
  if (opcode === 0x60) {
    readCoreFuncType(reader);
    scope.coreTypes.push("func");
    return;
  }
  // The byte before a shared type.
  if (opcode === 0x65)
    throw reader.refusal("a shared core type is not supported; build the component without threads", start);
  if (opcode !== 0x50) throw reader.refusal(`core type 0x${opcode.toString(16)} is not supported`, start);
  scope.coreTypes.push(readModuleType(reader, scope));
}

function readCoreFuncType(reader: Reader): void {
  // Module types do not nest: without this check a hostile binary would recurse as deep as it is long.
  if (reader.byte() !== 0x60)
    throw reader.refusal("core type inside a module type is no function type", reader.at - 1);
  reader.vector(() => coreValueType(reader));
  reader.vector(() => coreValueType(reader));
}

function readModuleType(reader: Reader, outer: Scope): ModuleBorder {
  reader.byte();
  const imports: CoreImport[] = [];
  const exports: CoreExport[] = [];
  const names = new Set<string>();
  let types = 0;
  /** In two spaces: a name of an import is two names. */
  const once = (name: string, at: number) => {
    if (names.has(name)) throw reader.refusal("a module type has a name twice", at);
    names.add(name);
  };
  reader.vector(() => {
    const { at } = reader;
    switch (reader.oneOf([0x00, 0x01, 0x02, 0x03], "core declaration")) {
      case 0x00: {
        const wanted = coreImport(reader, types);
        once(JSON.stringify([wanted.module, wanted.name]), at);
        imports.push(wanted);
        break;
      }
      case 0x01:
        readCoreFuncType(reader);
        types += 1;
        break;
      case 0x02:
        readCoreOuterAlias(reader, outer);
        types += 1;
        break;
      default: {
        const name = reader.name();
        once(JSON.stringify([name]), at);
        exports.push({ name, ...coreExternType(reader, types) });
      }
    }
  }, 2);
  return moduleBorder(imports, exports);
}

function readCoreOuterAlias(reader: Reader, outer: Scope): void {
  const { at } = reader;
  reader.oneOf([0x10], "core sort");
  reader.oneOf([0x01], "core alias");
  let target: Scope | undefined = outer;
  // The module type is itself the innermost scope, and has nothing to alias but what it has already.
  for (let up = reader.u32(); up > 1 && target !== undefined; up--) target = target.parent;
  if (target === undefined) throw reader.refusal("alias reaches out of the component", at);
  target.readCoreType(reader);
}
