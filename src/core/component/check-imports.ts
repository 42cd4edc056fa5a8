/**
 * Compares what a component imports with what the host offers, by name and by type, before anything is
 * planned or instantiated. Left to whoever links, a missing import is an error without a name, and one of the wrong
 * type is a surprise at the first call.
 */
import { compatibleIds } from "./compatible.ts";
import { functionDifference, resourceDifference, typeDifference } from "./difference.ts";
import { formatFunction } from "./format.ts";
import type { ComponentDescription, WitInterface, WitResource, WitScope } from "./wit.ts";

/** The name under which the world's own functions and types are listed, as wasm-tools calls it. */
export const WORLD = "$root";

/** Whether one imported function or type is offered as it is imported. */
export interface ItemCheck {
  readonly name: string;
  readonly served: boolean;
  /** Why not; absent when served. */
  readonly reason?: string;
}

/** Whether one imported interface is offered with all that the component uses of it. */
export interface ImportCheck {
  /** Full name as imported, or {@link WORLD} for functions and types of the world itself. */
  readonly interface: string;
  /** Full name of the interface that serves it, whose version may differ; absent when there is none. */
  readonly offered?: string;
  readonly served: boolean;
  /** Why not: the interface is unknown, or the first item that is not served; absent when served. */
  readonly reason?: string;
  readonly functions: readonly ItemCheck[];
  /** Value types and resources. */
  readonly types: readonly ItemCheck[];
}

/**
 * Checks every import of a component against an offer.
 *
 * @param description the component's
 * @param offer the description of a component that imports everything the host offers
 * @returns one entry per imported interface in the component's order, then one for the world itself if it
 *   imports functions or types of its own; all served means that nothing is missing
 */
export function checkImports(
  description: Pick<ComponentDescription, "imports">,
  offer: Pick<ComponentDescription, "imports">,
): readonly ImportCheck[] {
  const checks = description.imports.interfaces.map((wanted) => {
    const offered = findOffer(wanted, offer.imports.interfaces);
    return offered === undefined
      ? unknownInterface(wanted, offer.imports.interfaces)
      : checkScope(wanted.name, wanted, offered.name, offered);
  });
  const world = description.imports;
  if (world.functions.length + world.types.length + world.resources.length > 0) {
    checks.push(checkScope(WORLD, world, WORLD, offer.imports));
  }
  return checks;
}

/** The offer of the very same name, or else the first of a compatible version. */
function findOffer(wanted: WitInterface, offers: readonly WitInterface[]): WitInterface | undefined {
  const same = offers.find((offer) => offer.name === wanted.name);
  if (same !== undefined || wanted.id === null) return same;
  const { id } = wanted;
  return offers.find((offer) => offer.id !== null && compatibleIds(id, offer.id));
}

function unknownInterface(wanted: WitInterface, offers: readonly WitInterface[]): ImportCheck {
  const { id } = wanted;
  const otherVersions = offers.filter(
    (offer) =>
      offer.id?.namespace === id?.namespace &&
      offer.id?.package === id?.package &&
      offer.id?.name === id?.name &&
      id !== null,
  );
  const reason =
    otherVersions.length === 0
      ? `the interface ${wanted.name} is not offered`
      : `the interface ${wanted.name} is offered as ${otherVersions.map((it) => it.name).join(", ")} only`;
  const items = (list: readonly { readonly name: string }[]) =>
    list.map(({ name }) => ({ name, served: false, reason: "its interface is not offered" }));
  return {
    interface: wanted.name,
    served: false,
    reason,
    functions: items(wanted.functions),
    types: items([...wanted.resources, ...wanted.types]),
  };
}

function checkScope(name: string, wanted: WitScope, offeredName: string, offered: WitScope): ImportCheck {
  const functions = wanted.functions.map((func) => {
    const match = offered.functions.find((it) => it.name === func.name);
    if (match === undefined)
      return missing(func.name, `the function is not offered: ${formatFunction(func)}`);
    const difference = functionDifference(func, match);
    return difference === undefined
      ? served(func.name)
      : missing(
          func.name,
          `${difference} (imported ${formatFunction(func)}; offered ${formatFunction(match)})`,
        );
  });
  const types = [
    ...wanted.resources.map((resource) => checkResource(resource, name, offeredName, offered)),
    ...wanted.types.map(({ name: label, type }) => {
      const match = offered.types.find((it) => it.name === label);
      if (match === undefined) return missing(label, "the type is not offered");
      const difference = typeDifference(type, match.type);
      return difference === undefined ? served(label) : missing(label, difference);
    }),
  ];
  const failed = [...functions, ...types].find((item) => !item.served);
  return {
    interface: name,
    offered: offeredName,
    served: failed === undefined,
    ...(failed === undefined ? {} : { reason: `${failed.name}: ${failed.reason}` }),
    functions,
    types,
  };
}

/** A resource is compared by what it refers to in the end, so an alias equals its target. */
function checkResource(wanted: WitResource, name: string, offeredName: string, offered: WitScope): ItemCheck {
  const match = offered.resources.find((it) => it.name === wanted.name);
  if (match === undefined) return missing(wanted.name, "the resource is not offered");
  const difference = resourceDifference(target(wanted, name), target(match, offeredName));
  return difference === undefined ? served(wanted.name) : missing(wanted.name, difference);
}

function target(resource: WitResource, scope: string): { resource: string; interface?: string } {
  if (resource.alias !== undefined) return resource.alias;
  return scope === WORLD ? { resource: resource.name } : { resource: resource.name, interface: scope };
}

function served(name: string): ItemCheck {
  return { name, served: true };
}

function missing(name: string, reason: string): ItemCheck {
  return { name, served: false, reason };
}
