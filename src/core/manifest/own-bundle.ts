/** Reads back what this gateway signed itself. Verifies nothing: bundles of others are for `verify.ts`. */
import { decodeBase64 } from "../base64.ts";
import { RunPredicateSchema } from "./schema.ts";
import type { RunPredicate } from "./types.ts";

/**
 * What a bundle of our own says of its run.
 *
 * @param bundle the text that was sealed; its shape is `createBundle`'s
 * @returns undefined when it is of a version that this one can not read
 */
export function predicateOf(bundle: string): RunPredicate | undefined {
  const { dsseEnvelope } = JSON.parse(bundle) as { readonly dsseEnvelope: { readonly payload: string } };
  const payload = decodeBase64(dsseEnvelope.payload);
  if (payload === undefined) return undefined;
  const { predicate }: { predicate?: unknown } = JSON.parse(new TextDecoder().decode(payload));
  const parsed = RunPredicateSchema.safeParse(predicate);
  return parsed.success ? parsed.data : undefined;
}
