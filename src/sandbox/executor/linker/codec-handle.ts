/** Codecs of handles. In JavaScript a handle is its representation; the index stays on the guest's side. */
import type { PlanResource, PlanType } from "../../../core/component/index.ts";
import { AbiTrap } from "./abi-trap.ts";
import { BorderMismatch, type Codec, SCALAR_BYTES } from "./codec.ts";
import type { BorrowScope, Handle } from "./handles.ts";
import type { Passage } from "./passage.ts";

/**
 * @param resource index of the plan's resources
 * @param definition what it is
 */
export function handleCodec(type: PlanType, resource: number, definition: PlanResource): Codec {
  const isOwn = type.kind === "own";

  function take(passage: Passage, index: number): unknown {
    const { handles, lent } = passage.instance;
    if (isOwn) {
      const handle = handles.get(index, resource);
      if (!handle.isOwn) throw new AbiTrap("borrowed-handle-given-away");
      return handles.remove(index, resource).representation;
    }
    const handle = handles.get(index, resource);
    handle.lends += 1;
    lent.push(handle);
    return handle.representation;
  }

  function give(passage: Passage, representation: unknown): number {
    if (definition.kind === "imported" && (typeof representation !== "object" || representation === null))
      throw new BorderMismatch("resource");
    const { instance } = passage;
    if (isOwn) {
      return instance.handles.add(handleOf(representation, undefined));
    }
    // Whoever defines a resource is handed what is behind a borrowed handle, and needs none.
    if (definition.kind === "defined" && instance.id === definition.instance) return Number(representation);
    const { borrower } = instance;
    borrower.borrows += 1;
    return instance.handles.add(handleOf(representation, borrower));
  }

  function handleOf(representation: unknown, scope: BorrowScope | undefined): Handle {
    return { kind: "resource", resource, representation, isOwn, lends: 0, scope };
  }

  return {
    type,
    hostBytes: SCALAR_BYTES,
    values: 1,
    load: (passage, at) => take(passage, passage.view.getUint32(at, true)),
    store: (passage, value, at) => passage.view.setUint32(at, give(passage, value), true),
    lift: (passage, flat, at) => take(passage, Number(flat[at]) >>> 0),
    lower: (passage, value, flat) => void flat.push(give(passage, value)),
  };
}
