/**
 * What one read out of guest memory can turn into, by the types that are lifted.
 *
 * A tuple of a tuple of a tuple … of one byte is one read and a hundred objects, and a list of a million of them
 * is a megabyte of guest memory. So a read is charged for the objects that may come with it, known from the types
 * before anything runs.
 */
import type { WitFunction, WitType } from "../../core/component/index.ts";

/**
 * Objects (records, tuples, variants, flags) that the glue may make per scalar read, at most, in the elements of any
 * list. What is outside of lists is made once per call, which the number of calls bounds.
 *
 * @param lifted types of export results and import parameters
 */
export function objectsPerRead(lifted: readonly WitType[]): number {
  return lifted.reduce((most, type) => Math.max(most, densestElement(type)), 0);
}

/** The types that a run lifts: the parameters of what it imports, and the result of the function that it runs. */
export function liftedTypes(imported: readonly WitFunction[], run: WitFunction): readonly WitType[] {
  const params = imported.flatMap(({ params }) => params.map(({ type }) => type));
  return run.result === undefined ? params : [...params, run.result];
}

function densestElement(type: WitType): number {
  const inner = partsOf(type).reduce((most, part) => Math.max(most, densestElement(part)), 0);
  if (type.kind !== "list") return inner;
  const { objects, reads } = measure(type.element);
  return Math.max(inner, objects / Math.max(1, reads));
}

/** Most objects and fewest reads of one value, without what is behind its lists' pointers. */
function measure(type: WitType): { readonly objects: number; readonly reads: number } {
  const parts = partsOf(type).map(measure);
  switch (type.kind) {
    case "record":
    case "tuple":
      return { objects: 1 + sum(parts.map((it) => it.objects)), reads: sum(parts.map((it) => it.reads)) };
    case "variant":
    case "option":
    case "result":
      // One read of the discriminant; then whichever case is worst, and none of the reads that it may lack.
      return { objects: 1 + Math.max(0, ...parts.map((it) => it.objects)), reads: 1 };
    case "flags":
      return { objects: 1, reads: 1 };
    case "list":
    case "string":
      // The bytes behind it are charged by their own door.
      return { objects: 1, reads: 2 };
    default:
      return { objects: 0, reads: 1 };
  }
}

function partsOf(type: WitType): readonly WitType[] {
  switch (type.kind) {
    case "record":
      return type.fields.map((field) => field.type);
    case "tuple":
      return type.items;
    case "variant":
      return type.cases.flatMap((entry) => (entry.type === undefined ? [] : [entry.type]));
    case "option":
      return [type.some];
    case "result":
      return [type.ok, type.err].filter((side) => side !== undefined);
    case "list":
      return [type.element];
    default:
      return [];
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
