/**
 * Names of imports, exports, fields and cases by the grammar of the component model, and what they mean:
 * `wasi:io/streams@0.2.6` is an interface of a package, `[method]output-stream.write` a method of a resource.
 *
 * @see https://github.com/WebAssembly/component-model/blob/main/design/mvp/Explainer.md#import-and-export-definitions
 */

/** An interface that belongs to a published WIT package. */
export interface InterfaceId {
  readonly namespace: string;
  readonly package: string;
  readonly name: string;
  /** Semantic version as written: `0.2.6`, `1.0.0-rc.1`, or the short canonical `0.2`. */
  readonly version?: string;
}

/** How a function is called: on its own, on a resource, on a resource's type, or to make a resource. */
export type FunctionKind = "free" | "method" | "static" | "constructor";

/** What an import or export name says. */
export type ExternName =
  | { readonly kind: "interface"; readonly id: InterfaceId }
  | { readonly kind: "free"; readonly label: string; readonly async: boolean }
  | {
      readonly kind: "method" | "static";
      readonly resource: string;
      readonly label: string;
      readonly async: boolean;
    }
  | { readonly kind: "constructor"; readonly resource: string; readonly async: boolean };

/** A label: words in lower case or acronyms in upper case, joined by hyphens, beginning with a letter. */
const labelPattern = /^(?:[a-z][0-9a-z]*|[A-Z][0-9A-Z]*)(?:-(?:[0-9a-z]+|[0-9A-Z]+))*$/;
const wordsPattern = /^[a-z][0-9a-z]*(?:-[0-9a-z]+)*$/;
/** https://semver.org: `MAJOR.MINOR.PATCH[-pre][+build]`, or the short form of a canonical interface name. */
const semverPattern =
  /^(?:0|[1-9]\d{0,14})\.(?:0|[1-9]\d{0,14})\.(?:0|[1-9]\d{0,14})(?:-[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?$/;
const shortVersionPattern = /^(?:[1-9]\d{0,14}|0\.[1-9]\d{0,14})$/;

/** Name forms that say where to fetch a dependency. A run's imports come from grants, never from a name. */
const fetchForms = ["url=", "relative-url=", "locked-dep=", "unlocked-dep=", "integrity="];

/** Whether a text is a label (kebab case) of the component model. */
export function isLabel(text: string): boolean {
  return labelPattern.test(text);
}

/**
 * Reads an import or export name.
 *
 * @returns what the name means, or the rest of a sentence (beginning with the quoted name) saying why not
 */
export function parseExternName(name: string): ExternName | string {
  for (const form of fetchForms) {
    if (name.startsWith(form)) return `is of the form "${form}", which asks the host to fetch a dependency`;
  }
  if (name.startsWith("[")) return parseAnnotated(name);
  if (name.includes(":")) {
    const id = parseInterfaceId(name);
    return typeof id === "string" ? id : { kind: "interface", id };
  }
  if (!isLabel(name)) return "is neither a kebab-case name nor an interface name";
  return { kind: "free", label: name, async: false };
}

function parseAnnotated(name: string): ExternName | string {
  const match = /^\[(async )?(async|method|static|constructor)\](.*)$/.exec(name);
  if (match === null) return "has an unknown annotation in brackets";
  const [, prefix, annotation, rest = ""] = match;
  const async = prefix !== undefined || annotation === "async";
  switch (annotation) {
    case "async":
      return isLabel(rest) ? { kind: "free", label: rest, async } : "is not [async] and a kebab-case name";
    case "constructor":
      return isLabel(rest) && prefix === undefined
        ? { kind: "constructor", resource: rest, async }
        : "is not [constructor] and a kebab-case resource name";
    default: {
      const [resource = "", label = "", ...more] = rest.split(".");
      if (!isLabel(resource) || !isLabel(label) || more.length > 0) {
        return "is not an annotation, a resource name, a dot and a function name";
      }
      return { kind: annotation === "method" ? "method" : "static", resource, label, async };
    }
  }
}

/**
 * Reads `namespace:package/interface` with an optional `@version`.
 *
 * @returns the parts, or the rest of a sentence (beginning with the quoted name) saying why not
 */
export function parseInterfaceId(name: string): InterfaceId | string {
  const match = /^([^:/@]*):([^:/@]*)\/([^:/@]*)(?:@(.*))?$/.exec(name);
  if (match === null) return "is not of the form namespace:package/interface@version";
  const [, namespace = "", packageName = "", label = "", version] = match;
  if (!wordsPattern.test(namespace) || !wordsPattern.test(packageName) || !isLabel(label)) {
    return "is not of the form namespace:package/interface@version in kebab case";
  }
  if (version === undefined) return { namespace, package: packageName, name: label };
  if (!semverPattern.test(version) && !shortVersionPattern.test(version)) {
    return `has the version "${version}", which is no semantic version`;
  }
  return { namespace, package: packageName, name: label, version };
}

/**
 * The key under which two names of one scope collide, wider than equality: bindings of several languages must
 * be able to tell the names apart. `foo-BAR` collides with `foo-bar`, and `[method]foo.bar` with `[static]foo.bar`.
 *
 * @see https://github.com/WebAssembly/component-model/blob/main/design/mvp/Explainer.md#name-uniqueness
 */
export function uniquenessKey(name: string): string {
  const lower = name.toLowerCase();
  const match = /^\[([^\]]*)\](.*)$/.exec(lower);
  if (match === null) return lower;
  const [, annotation, rest = ""] = match;
  if (annotation === "constructor") return lower;
  const [resource, label] = rest.split(".");
  return resource !== undefined && resource === label ? resource : rest;
}

/**
 * The key of a label in JavaScript objects: `is-XML` is `isXml`.
 *
 * @example
 * ```ts
 * import { lowerCamel } from "./names.ts";
 * if (lowerCamel("a1-b2-XML") !== "a1B2Xml") throw new Error("not in camelCase");
 * ```
 */
export function lowerCamel(label: string): string {
  const [first = "", ...rest] = label.toLowerCase().split("-");
  return first + rest.map((word) => word.slice(0, 1).toUpperCase() + word.slice(1)).join("");
}
