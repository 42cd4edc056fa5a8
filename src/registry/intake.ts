/**
 * Intake: what a component is, what it may import here, and how its functions are called. From the binary alone; a
 * vendor's word about it is not asked.
 */

import {
  type ComponentDescription,
  checkImports,
  decode,
  inputSchema,
  type JsonSchema,
  jsonObstacle,
  outputSchema,
  type WitFunction,
  type WitScope,
} from "../core/component/index.ts";
import { toHex } from "../core/digest.ts";
import { refuseComponent } from "../core/errors.ts";
import { type Capability, type CapabilityWord, capabilityOf, needsOf } from "../core/policy/index.ts";
import type { ImportBinding, SandboxComponent } from "../ports/index.ts";

/** An import of a component, and what this host makes of it. */
export interface ComponentImport {
  /** The interface as the component spells it, or `$root` for the world's own functions. */
  readonly name: string;
  /** `refused` = nothing serves it, and the component can not run; `stub` = present, and every call is refused. */
  readonly state: "served" | "stub" | "refused";
  /** Row of the capability table; absent for an interface that the table does not know. */
  readonly capability?: Capability;
  /** Why it is a stub or refused, for the vendor. */
  readonly reason?: string;
}

/** A function that can be called with JSON. */
export interface ComponentFunction {
  /** `interface/function`, or the function alone when the world itself exports it. Unique within the component. */
  readonly key: string;
  /** The exported interface as the component spells it; null for the world itself. */
  readonly interface: string | null;
  readonly function: WitFunction;
  readonly inputSchema: JsonSchema;
  readonly outputSchema: JsonSchema;
}

/** What intake learned. Nothing here says yet that the component may run: see {@link admitComponent}. */
export interface Intake {
  /** Hex sha256 of the bytes. */
  readonly digest: string;
  readonly description: ComponentDescription;
  readonly imports: readonly ComponentImport[];
  /** Capability words that the imports need. */
  readonly needs: readonly CapabilityWord[];
  /** In the component's order. */
  readonly functions: readonly ComponentFunction[];
  /** Exported functions that JSON can not call, and why. They are not offered. */
  readonly uncallable: readonly { readonly key: string; readonly reason: string }[];
}

/**
 * Reads a component and compares it with the offer. Imports that nothing serves are reported, not refused.
 *
 * @param bytes attacker-controlled
 * @param offer description of the component that imports everything this host offers
 * @throws {GatewayError} `component-refused` when the binary can not be read, or two exports would have one key
 */
export async function inspectComponent(
  bytes: Uint8Array<ArrayBuffer>,
  offer: ComponentDescription,
): Promise<Intake> {
  const description = decode(bytes);
  const imports = checkImports(description, offer).map(({ interface: name, served, reason }) =>
    describeImport(name, served ? undefined : (reason ?? "it is not offered")),
  );
  const exported = exportedFunctions(description);
  return Object.freeze({
    digest: await sha256(bytes),
    description,
    imports: Object.freeze(imports),
    needs: Object.freeze(needsOf(imports.map(({ name }) => name))),
    functions: Object.freeze(
      exported.flatMap(({ obstacle, ...rest }) => (obstacle ? [] : [describeFunction(rest)])),
    ),
    uncallable: Object.freeze(
      exported.flatMap(({ obstacle, key }) => (obstacle ? [{ key, reason: obstacle }] : [])),
    ),
  });
}

/**
 * Refuses a component that this host can not serve, or hands it on in the form the sandbox takes.
 *
 * @param intake of the same bytes
 * @throws {GatewayError} `component-refused`, naming every import at fault and why
 */
export function admitComponent(intake: Intake, bytes: Uint8Array<ArrayBuffer>): SandboxComponent {
  const refused = intake.imports.filter(({ state }) => state === "refused");
  if (refused.length > 0) {
    const list = refused.map(({ name, reason }) => `"${name}": ${reason}`).join("; ");
    throw refuseComponent(
      `Cannot admit component ${intake.digest}: nothing serves ${list}`,
      refused.map(({ name }) => name),
    );
  }
  const { exports, imports } = intake.description;
  return Object.freeze({
    digest: intake.digest,
    bytes,
    imports: imports.interfaces.map((it) => bind(it, intake.imports)),
    exports: [
      ...exports.interfaces.map(({ name, functions }) => ({ interface: name, functions })),
      ...(exports.functions.length === 0 ? [] : [{ interface: null, functions: exports.functions }]),
    ],
  });
}

function bind(
  wanted: WitScope & { readonly name: string },
  imports: readonly ComponentImport[],
): ImportBinding {
  return {
    name: wanted.name,
    served: imports.find(({ name }) => name === wanted.name)?.state === "served",
    functions: wanted.functions,
    resources: wanted.resources.map(({ name }) => name),
  };
}

/** INVARIANT: `served` needs both, a type-equal offer and a row that serves it. Every doubt is `refused`. */
function describeImport(name: string, mismatch: string | undefined): ComponentImport {
  const capability = capabilityOf(name);
  if (capability === undefined) {
    const why = mismatch ?? "it belongs to no capability of this host";
    return { name, state: "refused", reason: `${why}; no policy unlocks it` };
  }
  if (mismatch !== undefined)
    return { name, state: "refused", capability, reason: `${mismatch}; ${hint(name, capability)}` };
  if (!capability.served) return { name, state: "stub", capability, reason: capability.sentence };
  return { name, state: "served", capability };
}

/** What a vendor can do about an import that is known here under another version or type. */
function hint(name: string, { word, clause }: Capability): string {
  // Of a version that was not out when the component was built, and is no more.
  const build = /@\d+\.\d+\.\d+-/.test(name) ? "build it with bindings of the release; " : "";
  return `${build}as it is offered it is capability ${word}, unlocked by ${clause ?? "every policy"}`;
}

interface Exported {
  readonly key: string;
  readonly interface: string | null;
  readonly function: WitFunction;
  readonly obstacle: string | undefined;
}

function exportedFunctions({ exports }: ComponentDescription): readonly Exported[] {
  const found = [
    ...exports.functions.map((func) => ({ key: func.name, interface: null, function: func })),
    ...exports.interfaces.flatMap(({ name, id, functions }) =>
      functions.map((func) => ({ key: `${id?.name ?? name}/${func.name}`, interface: name, function: func })),
    ),
  ];
  const seen = new Map<string, string | null>();
  for (const { key, interface: name } of found) {
    const other = seen.get(key);
    if (other !== undefined) {
      throw refuseComponent(
        `Cannot name function "${key}": both "${other}" and "${name}" export it, wanted one`,
      );
    }
    seen.set(key, name);
  }
  return found.map((it) => ({ ...it, obstacle: jsonObstacle(it.function) }));
}

function describeFunction({
  key,
  interface: name,
  function: func,
}: Omit<Exported, "obstacle">): ComponentFunction {
  return Object.freeze({
    key,
    interface: name,
    function: func,
    inputSchema: inputSchema(func),
    outputSchema: outputSchema(func),
  });
}

/** The web's own digest: native, since a component may have tens of megabytes. */
async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return toHex(digest);
}
