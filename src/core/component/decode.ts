/**
 * Decodes a component binary: what it imports, what it exports, with full types, and where its core modules
 * lie. The bytes are attacker-controlled, and the executor that later runs them is assumed compromised, so the
 * gateway reads them itself before anything is generated, granted or approved.
 *
 * Names, types and indices are held against most of the specification's rules, whose own tests say which are left
 * (`test/conformance/component-model/known.ts`). Whether core code is valid is the engine's to say.
 *
 * @see https://github.com/WebAssembly/component-model/blob/main/design/mvp/Binary.md
 */

import { refuseComponent } from "../errors.ts";
import { readAlias } from "./alias.ts";
import { readCanon } from "./canon.ts";
import { readCoreModule } from "./core-module.ts";
import { readCoreType } from "./core-types.ts";
import { type CustomSection, readCustomSection } from "./custom.ts";
import { describeSide } from "./describe.ts";
import { readCoreInstance, readInstance, readReference } from "./instances.ts";
import { Budget, LIMITS } from "./limits.ts";
import { moduleBorder } from "./module-border.ts";
import { componentNode, type Extern, namedNode } from "./nodes.ts";
import { Reader } from "./reader.ts";
import type { Recipe } from "./recipe.ts";
import { Scope } from "./scope.ts";
import { readExternName, readExternType, readType } from "./types.ts";
import type { ComponentDescription, CoreModule } from "./wit.ts";

/** What is collected outside the index spaces. */
interface Findings {
  readonly coreModules: CoreModule[];
  readonly customSections: CustomSection[];
}

/** Sections by their id, for messages. */
const sectionNames = [
  "custom",
  "core module",
  "core instance",
  "core type",
  "component",
  "instance",
  "alias",
  "type",
  "canon",
  "start",
  "import",
  "export",
  "value",
];

/**
 * Decodes a component.
 *
 * @param bytes the component binary; not changed, and not needed afterwards
 * @returns frozen plain data
 * @throws GatewayError `component-refused` when the bytes are no component, are malformed, hold a name outside
 *   the gate's alphabet, use a feature that is not supported or exceed a limit. Nothing else is ever thrown for
 *   bad bytes.
 * @example
 * ```ts
 * import { decode } from "./index.ts";
 * const empty = decode(new Uint8Array([0, 97, 115, 109, 13, 0, 1, 0]));
 * if (empty.imports.interfaces.length !== 0) throw new Error("an empty component imports nothing");
 * ```
 */
export function decode(bytes: Uint8Array): ComponentDescription {
  return decodeWhole(bytes).description;
}

/** What `plan.ts` needs beside the description. */
export interface Decoded {
  readonly description: ComponentDescription;
  readonly recipe: Recipe;
  readonly budget: Budget;
}

/** {@link decode}, with what the component does when it is instantiated. */
export function decodeWhole(bytes: Uint8Array): Decoded {
  if (bytes.length > LIMITS.componentBytes) {
    throw refuseComponent(
      `Cannot decode component: it has ${bytes.length} bytes, more than ${LIMITS.componentBytes}`,
    );
  }
  checkPreamble(bytes);
  const budget = new Budget();
  const reader = new Reader(bytes, budget, "component", 0, bytes.length);
  const root = new Scope("component", undefined, reader);
  const findings: Findings = { coreModules: [], customSections: [] };
  readComponent(reader, root, findings);
  const description = Object.freeze({
    ...describeSides(root, budget),
    coreModules: freeze(findings.coreModules),
    producers: freeze(findings.customSections.flatMap((section) => section.producers)),
    customSections: freeze(
      findings.customSections.map(({ name, byteLength }) => Object.freeze({ name, byteLength })),
    ),
  });
  return { description, recipe: root.recipe, budget };
}

function describeSides(root: Scope, budget: Budget): Pick<ComponentDescription, "imports" | "exports"> {
  const imports = describeSide(root.imports, "import", budget);
  return { imports, exports: describeSide(root.exports, "export", budget) };
}

function checkPreamble(bytes: Uint8Array): void {
  const found = [...bytes.subarray(0, 8)];
  const starts = (wanted: readonly number[]) => wanted.every((byte, index) => found[index] === byte);
  if (starts([0x00, 0x61, 0x73, 0x6d, 0x0d, 0x00, 0x01, 0x00])) return;
  if (starts([0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00])) {
    throw refuseComponent(
      "Cannot decode component: this is a core module; build a component from it with `jco new` or `wasm-tools component new`",
    );
  }
  const hex = found.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
  throw refuseComponent(
    starts([0x00, 0x61, 0x73, 0x6d])
      ? `Cannot decode component: preamble at byte 0x4 (4): version and layer are "${hex.slice(12)}", wanted "0d 00 01 00"`
      : `Cannot decode component: preamble at byte 0x0 (0): begins with "${hex}", wanted "00 61 73 6d 0d 00 01 00"`,
  );
}

/** Reads a component's sections into its scope; nested components recurse, bounded by the scope's level. */
function readComponent(reader: Reader, scope: Scope, findings: Findings): void {
  reader.window(8, "preamble");
  while (!reader.done) {
    const at = reader.at;
    const id = reader.byte();
    const name = sectionNames[id];
    if (name === undefined) throw reader.refusal(`unknown section ${id}`, at);
    const section = reader.window(reader.u32(), `${name} section`);
    readSection(id, section, scope, findings);
    section.finish();
  }
}

function readSection(id: number, section: Reader, scope: Scope, findings: Findings): void {
  switch (id) {
    case 0: {
      const custom = readCustomSection(section);
      if (scope.isRoot) findings.customSections.push(custom);
      break;
    }
    case 1:
      section.budget.spend("coreModules", 1);
      scope.note({ op: "core-module", module: findings.coreModules.length });
      readModule(section, scope, findings);
      break;
    case 4:
      readNestedComponent(section, scope, findings);
      break;
    default: {
      const vector = vectors.get(id);
      if (vector === undefined) throw section.refusal("is not supported");
      section.vector(() => vector(section, scope));
    }
  }
}

function readModule(section: Reader, scope: Scope, findings: Findings): void {
  const module = deepFreeze(readCoreModule(section));
  scope.modules.push(moduleBorder(module.imports, module.exports));
  findings.coreModules.push(module);
}

/** The sections that are vectors of definitions, and how one definition is read. */
const vectors: ReadonlyMap<number, (section: Reader, scope: Scope) => void> = new Map([
  [2, readCoreInstance],
  [3, readCoreType],
  [5, readInstance],
  [6, readAlias],
  [7, (section, scope) => scope.addType(readType(section, scope), section)],
  [8, readCanon],
  [10, readImport],
  [11, readExport],
]);

function readNestedComponent(section: Reader, outer: Scope, findings: Findings): void {
  const wanted = [0x00, 0x61, 0x73, 0x6d, 0x0d, 0x00, 0x01, 0x00];
  for (const [index, byte] of wanted.entries()) {
    if (section.bytes[section.at + index] !== byte || section.at + index >= section.end) {
      throw section.refusal("is no component");
    }
  }
  const scope = new Scope("component", outer, section);
  readComponent(section, scope, findings);
  outer.components.push(componentNode(scope.imports, scope.exports, scope.bound));
  outer.note({ op: "component", recipe: scope.recipe });
}

function readImport(reader: Reader, scope: Scope): void {
  const start = reader.at;
  const name = readExternName(reader);
  scope.addImport(name, readExternType(reader, scope, name, true), reader, start);
}

function readExport(reader: Reader, scope: Scope): void {
  const start = reader.at;
  const name = readExternName(reader);
  const { extern: referenced, reference } = readReference(reader, scope);
  const ascribed = reader.oneOf([0x00, 0x01], "optional") === 0x01;
  const extern = ascribed ? readExternType(reader, scope, name, false) : referenced;
  if (extern.sort !== reference.sort) {
    throw reader.refusal(`export "${name}" is a ${reference.sort} and said to be a ${extern.sort}`, start);
  }
  const named: Extern =
    extern.sort === "type" ? { sort: "type", type: namedNode(extern.type, name) } : extern;
  scope.addExport(name, named, reader, start);
  scope.note({ op: "export", name, reference, extern: named });
}

function freeze<T>(list: readonly T[]): readonly T[] {
  return Object.freeze([...list]);
}

function deepFreeze(module: CoreModule): CoreModule {
  for (const list of [module.imports, module.exports]) {
    for (const item of list) Object.freeze(item);
    Object.freeze(list);
  }
  return Object.freeze(module);
}
