/**
 * The predicate of an execution manifest, said in zod and published as JSON Schema. `types.ts` says the same in
 * words; that both agree is checked by the compiler below.
 *
 * Members that a later version adds are tolerated. Words that a later version adds (an outcome, a grant) are not: a
 * verifier that does not know what a word means must not call the manifest good.
 */
import { z } from "zod";
import { ISOLATION_LEVELS, type JsonValue } from "../policy/types.ts";
import { PREDICATE_TYPE, type RunPredicate } from "./types.ts";

const hash = z.string().regex(/^sha256:[0-9a-f]{64}$/);
const count = z.int().nonnegative();
const instant = z.iso.datetime({ precision: 3 });
// The strict parser has bounded the depth; a recursive schema would only walk it once more.
const json: z.ZodType<JsonValue> = z.custom<JsonValue>((value) => value !== undefined).meta({});

const reason = z.looseObject({
  clause: z.string(),
  policyId: hash.exactOptional(),
  effect: z.enum(["allow", "deny"]),
  detail: z.string(),
});

const networkRule = z.looseObject({
  host: z.string().min(1),
  scheme: z.enum(["http", "https"]),
  port: z.int().min(1).max(65535),
  methods: z.array(z.enum(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])),
  paths: z.array(z.string()),
});

const grant = z.discriminatedUnion("kind", [
  z.looseObject({
    kind: z.literal("http-client"),
    rules: z.array(networkRule),
    secretProfile: z.string().exactOptional(),
  }),
  z.looseObject({ kind: z.literal("secrets"), profile: z.string() }),
  z.looseObject({ kind: z.literal("log") }),
  z.looseObject({ kind: z.literal("run-info") }),
  z.looseObject({ kind: z.literal("clocks") }),
  z.looseObject({ kind: z.literal("random") }),
  z.looseObject({ kind: z.literal("stdio") }),
  z.looseObject({ kind: z.literal("environment") }),
]);

const BUDGETS = ["fuel", "memory_bytes", "egress_bytes", "requests", "output_bytes", "log_bytes"] as const;

const outcome = z.discriminatedUnion("kind", [
  z.looseObject({ kind: z.literal("denied") }),
  z.looseObject({ kind: z.literal("completed") }),
  z.looseObject({ kind: z.literal("failed"), error: json }),
  z.looseObject({ kind: z.literal("trapped"), reason: z.string() }),
  z.looseObject({
    kind: z.literal("exhausted"),
    budget: z.enum([...BUDGETS, "lifted_bytes", "host_calls", "call_depth"]),
  }),
  z.looseObject({ kind: z.literal("timed-out"), afterMs: z.number().nonnegative() }),
  z.looseObject({ kind: z.literal("revoked"), reason: z.string() }),
  z.looseObject({ kind: z.literal("denied-import"), import: z.string(), target: z.string() }),
  z.looseObject({ kind: z.literal("indeterminate"), reason: z.string() }),
]);

const event = z.looseObject({
  seq: count,
  at_ms: count,
  import: z.string(),
  effect: z.enum(["allowed", "denied", "failed"]),
  target: z.string().exactOptional(),
  clause: z.string().exactOptional(),
  bytes_in: count.exactOptional(),
  bytes_out: count.exactOptional(),
  result: z.string().exactOptional(),
});

const budgetUse = z.looseObject({
  granted: z.number().nonnegative(),
  used: z.number().nonnegative().nullable(),
});

/** The predicate. What matches it is a {@link RunPredicate}, possibly with members that this version does not know. */
export const RunPredicateSchema: z.ZodType<RunPredicate> = z.looseObject({
  run: z.string().min(1),
  tenant: z.string(),
  principal: z.string(),
  tool: z.string(),
  function: z.string(),
  purpose: z.string(),
  task: z.looseObject({ id: z.string(), class: z.enum(["exploratory", "customer_visible"]) }).exactOptional(),
  trace_id: z.string(),
  policy_id: hash.nullable(),
  artifact_hash: hash,
  input_hash: hash,
  output_hash: hash.nullable(),
  decision: z.looseObject({ effect: z.enum(["allow", "deny"]), reasons: z.array(reason) }),
  grants: z.array(grant),
  budget: z
    .looseObject({
      fuel: budgetUse,
      memory_bytes: budgetUse,
      egress_bytes: budgetUse,
      requests: budgetUse,
      output_bytes: budgetUse,
      log_bytes: budgetUse,
      wall_ms: budgetUse,
    })
    .nullable(),
  memory_peak_bytes: count.nullable(),
  cost_table: z.string(),
  events: z.array(event),
  outcome,
  fallback: z.looseObject({ kind: z.literal("static"), value_hash: hash }).exactOptional(),
  isolation: z.looseObject({ level: z.enum(ISOLATION_LEVELS), verified: z.array(z.string()) }).nullable(),
  runtime: z.looseObject({ host: z.string(), executor: z.string().nullable(), writ: z.string() }),
  started_at: instant,
  finished_at: instant,
});

/**
 * The predicate's JSON Schema, for tools that are not ours.
 *
 * @returns a JSON Schema 2020-12 document whose `$id` is the predicate type
 */
export function predicateSchema(): object {
  return { $id: PREDICATE_TYPE, ...z.toJSONSchema(RunPredicateSchema, { unrepresentable: "any" }) };
}
