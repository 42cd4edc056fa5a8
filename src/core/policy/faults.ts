/** From zod's issues to sentences for whoever has to mend the file. */
import type * as z from "zod";
import type { PlacedFault, ReadDocument } from "./document.ts";
import { nearestName, pointerOf, quote } from "./pointer.ts";

type OkDocument = Extract<ReadDocument, { kind: "ok" }>;

/**
 * Describes every issue with its place.
 *
 * @param issues of one failed parse of `document.value`
 * @param document the document, for values and places
 * @param keys the keys each mapping may have, by pointer with `*` for list indexes, for "did you mean"
 * @returns one fault per issue, one per key for unknown keys
 */
export function describeIssues(
  issues: readonly z.core.$ZodIssue[],
  document: OkDocument,
  keys: Readonly<Record<string, readonly string[]>>,
): PlacedFault[] {
  return issues.flatMap((issue) => {
    if (issue.code === "unrecognized_keys") {
      return issue.keys.map((key) => unknownKey([...issue.path, key], key, document, keys));
    }
    if (issue.code === "invalid_key") return [unknownFunctionKey(issue, document)];
    return [wrongValue(issue, document)];
  });
}

function unknownKey(
  path: readonly PropertyKey[],
  key: string,
  document: OkDocument,
  keys: Readonly<Record<string, readonly string[]>>,
): PlacedFault {
  const pointer = pointerOf(path);
  const place = document.placeOf(path, "key");
  const known =
    keys[pointerOf(path.slice(0, -1).map((step) => (typeof step === "number" ? "*" : step)))] ?? [];
  const near = nearestName(key, known);
  const hint =
    near === undefined
      ? known.length > 0
        ? `, wanted one of ${known.join(", ")}`
        : ""
      : `, did you mean ${quote(near)}`;
  return { ...place, pointer, detail: `unknown key ${quote(key)}${hint}` };
}

function unknownFunctionKey(issue: z.core.$ZodIssueInvalidKey, document: OkDocument): PlacedFault {
  const wanted = issue.issues[0]?.message ?? issue.message;
  const detail = `found key ${quote(issue.path.at(-1))}, wanted ${wanted}`;
  return { ...document.placeOf(issue.path, "key"), pointer: pointerOf(issue.path), detail };
}

function wrongValue(issue: z.core.$ZodIssue, document: OkDocument): PlacedFault {
  const value = valueAt(document.value, issue.path);
  const pointer = pointerOf(issue.path);
  const place = document.placeOf(issue.path, "value");
  const found = value === undefined ? "missing" : `found ${quote(value)}`;
  return { ...place, pointer, detail: `${found}, wanted ${issue.message}` };
}

/** Own members only: a path through hostile data must not end in a prototype. */
function valueAt(root: unknown, path: readonly PropertyKey[]): unknown {
  let value = root;
  for (const step of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, step)) return undefined;
    value = Reflect.get(value, step);
  }
  return value;
}
