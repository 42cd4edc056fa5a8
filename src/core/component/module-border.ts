/**
 * What a core module wants and has, by name and kind. A module that is passed to a component has to fit what the component
 * declares. Types of functions, globals and the rest are not compared: modules are linked by the engine, which does.
 */
import type { CoreExport, CoreImport, CoreKind } from "./wit.ts";

/** The border of a core module, or of a module's type. */
export interface ModuleBorder {
  /** By its two names, as JSON. */
  readonly imports: ReadonlyMap<string, CoreKind>;
  readonly exports: ReadonlyMap<string, CoreKind>;
}

/** The border that imports and exports make; no two of one side have one name. */
export function moduleBorder(imports: readonly CoreImport[], exports: readonly CoreExport[]): ModuleBorder {
  return {
    imports: new Map(imports.map(({ module, name, kind }) => [JSON.stringify([module, name]), kind])),
    exports: new Map(exports.map(({ name, kind }) => [name, kind])),
  };
}

/** Whether a module can stand where one is wanted: it wants no more than that one would be given, and has all that is used. */
export function fitsModule(given: ModuleBorder, wanted: ModuleBorder): boolean {
  return isWithin(given.imports, wanted.imports) && isWithin(wanted.exports, given.exports);
}

function isWithin(inner: ReadonlyMap<string, CoreKind>, outer: ReadonlyMap<string, CoreKind>): boolean {
  return [...inner].every(([name, kind]) => outer.get(name) === kind);
}
