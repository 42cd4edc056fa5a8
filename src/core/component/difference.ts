/**
 * Compares types the way linking does: by structure, except resources, which are compared by name and by the
 * interface that defines them. The names of value types do not count.
 */
import { compatibleInterfaces } from "./compatible.ts";
import { formatStructure, formatType } from "./format.ts";
import type { ResourceRef, WitCase, WitField, WitFunction, WitType } from "./wit.ts";

/**
 * Finds the first difference between an imported and an offered type.
 *
 * @param imported what the component says
 * @param offered what the host says
 * @returns where and what, both types in WIT notation; `undefined` when they are equal
 */
export function typeDifference(imported: WitType, offered: WitType): string | undefined {
  // Each line asks both kinds, so that the compiler knows both shapes without a cast.
  if (imported.kind === "record" && offered.kind === "record") {
    return fieldsDifference(imported.fields, offered.fields, "field");
  }
  if (imported.kind === "variant" && offered.kind === "variant") {
    return casesDifference(imported.cases, offered.cases);
  }
  if (imported.kind === "enum" && offered.kind === "enum") {
    return labelsDifference(imported.cases, offered.cases, "case");
  }
  if (imported.kind === "flags" && offered.kind === "flags") {
    return labelsDifference(imported.flags, offered.flags, "flag");
  }
  if (imported.kind === "list" && offered.kind === "list") {
    return within("element", typeDifference(imported.element, offered.element));
  }
  if (imported.kind === "option" && offered.kind === "option") {
    return within("some", typeDifference(imported.some, offered.some));
  }
  if (imported.kind === "tuple" && offered.kind === "tuple") {
    if (imported.items.length !== offered.items.length) return mismatch(imported, offered);
    return itemsDifference(imported.items, offered.items);
  }
  if (imported.kind === "result" && offered.kind === "result") {
    const ok = optionalDifference(imported.ok, offered.ok, "ok");
    return ok ?? optionalDifference(imported.err, offered.err, "err");
  }
  if (isHandle(imported) && isHandle(offered) && imported.kind === offered.kind) {
    return resourceDifference(imported, offered);
  }
  if (isChannel(imported) && isChannel(offered) && imported.kind === offered.kind) {
    return optionalDifference(imported.element, offered.element, "element");
  }
  return imported.kind === offered.kind ? undefined : mismatch(imported, offered);
}

function isHandle(type: WitType): type is WitType & { kind: "own" | "borrow" } {
  return type.kind === "own" || type.kind === "borrow";
}

function isChannel(type: WitType): type is WitType & { kind: "stream" | "future" } {
  return type.kind === "stream" || type.kind === "future";
}

/** Finds the first difference between two functions of the same name; see {@link typeDifference}. */
export function functionDifference(imported: WitFunction, offered: WitFunction): string | undefined {
  if (imported.async !== offered.async) {
    return `imported ${imported.async ? "async" : "not async"}, offered ${offered.async ? "async" : "not async"}`;
  }
  return (
    fieldsDifference(imported.params, offered.params, "parameter") ??
    optionalDifference(imported.result, offered.result, "result")
  );
}

/** Whether two references mean the same resource, versions of one compatible line being the same. */
export function resourceDifference(imported: ResourceRef, offered: ResourceRef): string | undefined {
  const sameInterface =
    imported.interface === offered.interface ||
    (imported.interface !== undefined &&
      offered.interface !== undefined &&
      compatibleInterfaces(imported.interface, offered.interface));
  if (imported.resource === offered.resource && sameInterface) return undefined;
  return `imported resource ${resourceName(imported)}, offered resource ${resourceName(offered)}`;
}

function resourceName(ref: ResourceRef): string {
  return ref.interface === undefined ? ref.resource : `${ref.resource} of ${ref.interface}`;
}

function mismatch(imported: WitType, offered: WitType): string {
  return `imported ${printed(imported)}, offered ${printed(offered)}`;
}

/** Name and structure, for the same name may stand for two structures. */
function printed(type: WitType): string {
  return type.name === undefined ? formatType(type) : `${formatType(type)} = ${formatStructure(type)}`;
}

function within(place: string, difference: string | undefined): string | undefined {
  return difference === undefined ? undefined : `${place}: ${difference}`;
}

function fieldsDifference(
  imported: readonly WitField[],
  offered: readonly WitField[],
  what: string,
): string | undefined {
  const names = labelsDifference(
    imported.map((field) => field.name),
    offered.map((field) => field.name),
    what,
  );
  if (names !== undefined) return names;
  for (const [index, field] of imported.entries()) {
    const other = offered[index];
    if (other === undefined) continue;
    const difference = typeDifference(field.type, other.type);
    if (difference !== undefined) return `${what} "${field.name}": ${difference}`;
  }
  return undefined;
}

function casesDifference(imported: readonly WitCase[], offered: readonly WitCase[]): string | undefined {
  const names = labelsDifference(
    imported.map((it) => it.name),
    offered.map((it) => it.name),
    "case",
  );
  if (names !== undefined) return names;
  for (const [index, it] of imported.entries()) {
    const difference = optionalDifference(it.type, offered[index]?.type, `case "${it.name}"`);
    if (difference !== undefined) return difference;
  }
  return undefined;
}

function labelsDifference(
  imported: readonly string[],
  offered: readonly string[],
  what: string,
): string | undefined {
  for (let i = 0; i < Math.max(imported.length, offered.length); i++) {
    if (imported[i] === offered[i]) continue;
    const say = (label: string | undefined) => (label === undefined ? "none" : `"${label}"`);
    return `${what} ${i + 1}: imported ${say(imported[i])}, offered ${say(offered[i])}`;
  }
  return undefined;
}

function itemsDifference(imported: readonly WitType[], offered: readonly WitType[]): string | undefined {
  for (const [index, item] of imported.entries()) {
    const difference = optionalDifference(item, offered[index], `item ${index}`);
    if (difference !== undefined) return difference;
  }
  return undefined;
}

function optionalDifference(
  imported: WitType | undefined,
  offered: WitType | undefined,
  place: string,
): string | undefined {
  if (imported === undefined || offered === undefined) {
    if (imported === offered) return undefined;
    const say = (type: WitType | undefined) => (type === undefined ? "nothing" : formatType(type));
    return `${place}: imported ${say(imported)}, offered ${say(offered)}`;
  }
  return within(place, typeDifference(imported, offered));
}
