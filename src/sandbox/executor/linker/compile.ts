/**
 * A component as one executor holds it: compiled modules, codecs for its types, and what is known before any run.
 * Made once, shared by all runs, never changed by one.
 */
import {
  type LinkPlan,
  MAX_FLAT_ASYNC_PARAMS,
  MAX_FLAT_PARAMS,
  MAX_FLAT_RESULTS,
  type PlanType,
} from "../../../core/component/index.ts";
import { channelCodec } from "./async/codec-channel.ts";
import type { Codec } from "./codec.ts";
import { handleCodec } from "./codec-handle.ts";
import { listCodec, textCodec } from "./codec-list.ts";
import { scalarCodec } from "./codec-scalar.ts";
import { enumCodec, flagsCodec, structCodec } from "./codec-struct.ts";
import { variantCodec } from "./codec-variant.ts";

/** How a function's values travel. */
export interface Signature {
  readonly params: readonly Codec[];
  readonly result: Codec | undefined;
  /** All parameters as one record, when they are too many for core values. */
  readonly spilledParams: Codec | undefined;
  /** Whether the result is too large for a core value and goes through memory. */
  readonly spillsResult: boolean;
  /** Fuel values that its parameters and its result count for, texts and lists apart. */
  readonly paramValues: number;
  readonly resultValues: number;
}

/** The parts of a plan that are functions rather than data. */
export interface CompiledPlan {
  readonly plan: LinkPlan;
  readonly signatures: readonly Signature[];
  readonly codecs: readonly Codec[];
  /** Per function of the plan: whether a call of it may have to wait for the world. */
  readonly waits: readonly boolean[];
  /** How `task.return` takes a result: as parameters travel. */
  returnSignature(result: Codec | undefined): Signature;
  /** How an asynchronous `canon lower` takes parameters, and gives a result. */
  asyncSignature(signature: number): Signature;
}

/**
 * @param plan from the preparer
 * @param isWaiting whether an imported function waits
 */
export function compilePlan(
  plan: LinkPlan,
  isWaiting: (scope: string | null, name: string) => boolean,
): CompiledPlan {
  const codecs: Codec[] = [];
  for (const type of plan.types) codecs.push(makeCodec(plan, type, codecs));
  const signatures = plan.signatures.map(({ params, result }) =>
    signatureOf(
      params.map(({ type }) => codecOf(codecs, type)),
      result === null ? undefined : codecOf(codecs, result),
    ),
  );
  return {
    plan,
    signatures,
    codecs,
    waits: findWaiting(plan, isWaiting),
    returnSignature: (result) => signatureOf(result === undefined ? [] : [result], undefined),
    asyncSignature(index) {
      const { params, result } = requiredSignature(signatures[index]);
      return { ...signatureOf(params, result, MAX_FLAT_ASYNC_PARAMS), spillsResult: result !== undefined };
    },
  };
}

function requiredSignature(signature: Signature | undefined): Signature {
  if (signature === undefined) throw new TypeError("A function has no signature");
  return signature;
}

function signatureOf(
  params: readonly Codec[],
  result: Codec | undefined,
  mostFlat = MAX_FLAT_PARAMS,
): Signature {
  const flatParams = params.reduce((sum, { type }) => sum + (type.flat?.length ?? MAX_FLAT_PARAMS + 1), 0);
  return {
    params,
    result,
    spilledParams: flatParams > mostFlat ? structCodec(tupleOf(params), params) : undefined,
    spillsResult: result !== undefined && (result.type.flat?.length ?? 2) > MAX_FLAT_RESULTS,
    paramValues: params.reduce((sum, { values }) => sum + values, 0),
    resultValues: result?.values ?? 0,
  };
}

function makeCodec(plan: LinkPlan, type: PlanType, earlier: readonly Codec[]): Codec {
  const parts = type.items.map((item) => (item === null ? undefined : codecOf(earlier, item)));
  const all = () => parts.map(required);
  switch (type.kind) {
    case "string":
      return textCodec(type);
    case "list":
      return listCodec(type, required(parts[0]));
    case "record":
    case "tuple":
      return structCodec(type, all());
    case "flags":
      return flagsCodec(type);
    case "enum":
      return enumCodec(type);
    case "variant":
    case "result":
      return variantCodec(type, parts, false);
    case "option":
      return variantCodec(type, [undefined, required(parts[0])], isBareOption(plan, type));
    case "stream":
    case "future":
      return channelCodec(type, { channel: type.kind, element: type.items[0] ?? null });
    case "own":
    case "borrow": {
      const definition = plan.resources[type.resource ?? -1];
      if (definition === undefined || type.resource === null) throw new TypeError("A handle has no resource");
      return handleCodec(type, type.resource, definition);
    }
    default: {
      const scalar = scalarCodec(type);
      if (scalar === undefined) throw new TypeError(`There is no codec for ${type.kind}`);
      return scalar;
    }
  }
}

/** An option is its value or `undefined`, unless the value may be `undefined` itself. */
function isBareOption(plan: LinkPlan, type: PlanType): boolean {
  const some = plan.types[type.items[0] ?? -1];
  return some?.kind !== "option" || !isBareOption(plan, some);
}

/** The record that spilled parameters lie in. */
function tupleOf(params: readonly Codec[]): PlanType {
  let size = 0;
  let alignment = 1;
  for (const { type } of params) {
    size = Math.ceil(size / type.alignment) * type.alignment + type.size;
    alignment = Math.max(alignment, type.alignment);
  }
  size = Math.ceil(size / alignment) * alignment;
  return { kind: "tuple", labels: [], items: [], resource: null, size, alignment, flat: null };
}

/**
 * A function waits when it is an import that does, or is lifted from an instance that calls one which does: then its
 * callers have to be suspended too. Found by going round until nothing changes.
 */
function findWaiting(
  plan: LinkPlan,
  isWaiting: (scope: string | null, name: string) => boolean,
): readonly boolean[] {
  const waits = plan.functions.map(
    (func) => func.kind === "imported" && isWaiting(func.interface, func.name),
  );
  const instances = new Set<number>();
  for (let before = -1; before !== instances.size; ) {
    before = instances.size;
    for (const trampoline of plan.trampolines) {
      if (trampoline.kind === "lower" && waits[trampoline.func] === true)
        instances.add(trampoline.options.instance);
    }
    plan.functions.forEach((func, index) => {
      if (func.kind === "lifted" && instances.has(func.options.instance)) waits[index] = true;
    });
  }
  return waits;
}

function codecOf(codecs: readonly Codec[], index: number): Codec {
  return required(codecs[index]);
}

function required(codec: Codec | undefined): Codec {
  if (codec === undefined) throw new TypeError("A part of a type has no codec");
  return codec;
}
