/**
 * What core functions at a component's border must look like, by the canonical ABI. One that looks otherwise would be
 * given a number for an integer of 64 bits, and end in an error of the engine's that names nothing.
 *
 * @see https://github.com/WebAssembly/component-model/blob/main/design/mvp/CanonicalABI.md#flattening
 */
import { MAX_FLAT_ASYNC_PARAMS, MAX_FLAT_PARAMS, MAX_FLAT_RESULTS } from "./abi.ts";
import { signatureText } from "./core-signatures.ts";
import { misfit } from "./frame.ts";
import type { PlanCoreItem, PlanSignature, PlanTrampoline, PlanType } from "./link-plan.ts";
import { channelSignature, taskSignature } from "./plan-async.ts";

/** Finds the signature of a function that a core module exports. */
export type SignatureOf = (item: PlanCoreItem & { kind: "export" }) => string | undefined;

/** Of `realloc`: what was there, its size, an alignment, the size that is wanted. */
export const REALLOC = signatureText(["i32", "i32", "i32", "i32"], ["i32"]);
/** Of an asynchronous export: an event and its two payloads. */
export const CALLBACK = signatureText(["i32", "i32", "i32"], ["i32"]);
/** Of a resource: its representation. */
export const DESTRUCTOR = signatureText(["i32"], []);

/** @throws GatewayError `component-refused` */
export function requireSignature(what: string, found: string | undefined, wanted: string): void {
  if (found !== undefined && found !== wanted)
    throw misfit(`${what} is a core function of type (${found}), wanted (${wanted})`);
}

/** What `canon lift` takes: parameters as they travel, a result or where it lies. */
export function liftedSignature(types: readonly PlanType[], { params, result }: PlanSignature): string {
  return signatureText(paramsOf(types, params), resultOf(types, result));
}

/** What an asynchronous `canon lift` takes: its result is what it waits for, or none where it waits by itself. */
export function asyncSignature(
  types: readonly PlanType[],
  { params }: PlanSignature,
  hasCallback: boolean,
): string {
  return signatureText(paramsOf(types, params), hasCallback ? ["i32"] : []);
}

/** What is called with the core results of a lifted function, once they were read. */
export function postReturnSignature(types: readonly PlanType[], { result }: PlanSignature): string {
  return signatureText(resultOf(types, result), []);
}

/** How a trampoline looks from inside. */
export function trampolineSignature(
  trampoline: PlanTrampoline,
  types: readonly PlanType[],
  signatureOf: (func: number) => PlanSignature,
): string {
  switch (trampoline.kind) {
    case "lower": {
      const { params, result } = signatureOf(trampoline.func);
      if (trampoline.async) {
        const few = paramsOf(types, params, MAX_FLAT_ASYNC_PARAMS);
        return signatureText(result === null ? few : [...few, "i32"], ["i32"]);
      }
      const flat = paramsOf(types, params);
      if (result !== null && spills(types, result)) return signatureText([...flat, "i32"], []);
      return signatureText(flat, resultOf(types, result));
    }
    case "resource.new":
    case "resource.rep":
      return signatureText(["i32"], ["i32"]);
    case "resource.drop":
      return signatureText(["i32"], []);
    case "task.return":
      return signatureText(
        paramsOf(types, trampoline.result === null ? [] : [{ type: trampoline.result }]),
        [],
      );
    case "context.get":
      return signatureText([], ["i32"]);
    case "context.set":
      return signatureText(["i32"], []);
    case "task":
      return taskSignature(trampoline.name);
    case "channel":
      return channelSignature(trampoline.action, types[trampoline.type]?.kind ?? "stream");
  }
}

function paramsOf(
  types: readonly PlanType[],
  params: readonly { readonly type: number }[],
  most = MAX_FLAT_PARAMS,
): string[] {
  const flat: string[] = [];
  for (const { type } of params) {
    const own = types[type]?.flat;
    if (own === null || own === undefined || flat.length + own.length > most) return ["i32"];
    flat.push(...own);
  }
  return flat;
}

function resultOf(types: readonly PlanType[], result: number | null): readonly string[] {
  if (result === null) return [];
  return spills(types, result) ? ["i32"] : (types[result]?.flat ?? []);
}

function spills(types: readonly PlanType[], result: number): boolean {
  return (types[result]?.flat?.length ?? MAX_FLAT_RESULTS + 1) > MAX_FLAT_RESULTS;
}
