/**
 * The predicate of an execution manifest, said in zod and published as JSON Schema. `types.ts` says the same in
 * words; that both agree is checked by the compiler below.
 *
 * Members that a later version adds are tolerated. Words that a later version adds (an outcome, a grant) are not: a
 * verifier that does not know what a word means must not call the manifest good.
 */
import { z } from "zod";
import { ISOLATION_LEVELS, type JsonValue, TASK_CLASSES } from "../policy/types.ts";
import { fallback, lease } from "./schema-accounts.ts";
import { grant } from "./schema-grants.ts";
import { HOST_LIMITS, PREDICATE_TYPE, type RunPredicate } from "./types.ts";

const hash = z.string().regex(/^sha256:[0-9a-f]{64}$/);
const count = z.int().nonnegative();
const instant = z.iso.datetime({ precision: 3 });
// The strict parser has bounded the depth; a recursive schema would only walk it once more.
const json: z.ZodType<JsonValue> = z.custom<JsonValue>((value) => value !== undefined).meta({});

const reason = z.looseObject({
  clause: z.string().describe("The clause that spoke"),
  policyId: hash.exactOptional().describe("The policy that the clause is of"),
  effect: z.enum(["allow", "deny"]).describe("What it said"),
  detail: z.string().describe("The same in a sentence"),
});

const BUDGETS = ["fuel", "memory_bytes", "egress_bytes", "requests", "output_bytes", "log_bytes"] as const;

/** How a run ended. Words of later versions are refused. */
export const OutcomeSchema = z.discriminatedUnion("kind", [
  z.looseObject({ kind: z.literal("denied") }).describe("The decision was deny: nothing ran"),
  z.looseObject({ kind: z.literal("completed") }).describe("The function returned"),
  z
    .looseObject({ kind: z.literal("failed"), error: json.describe("The tool's own error, as JSON") })
    .describe("The tool said that it failed"),
  z
    .looseObject({ kind: z.literal("trapped"), reason: z.string().describe("A word of a small vocabulary") })
    .describe("The guest was stopped by a trap, or its process died"),
  z
    .looseObject({
      kind: z.literal("exhausted"),
      budget: z.enum([...BUDGETS, ...HOST_LIMITS]).describe("Which one is spent"),
    })
    .describe("A budget was spent"),
  z
    .looseObject({
      kind: z.literal("timed-out"),
      afterMs: z.number().nonnegative().describe("The time to live, in ms"),
    })
    .describe("The time to live was over"),
  z
    .looseObject({ kind: z.literal("revoked"), reason: z.string().describe("Why the host ended it") })
    .describe("The host ended the run"),
  z
    .looseObject({
      kind: z.literal("denied-import"),
      import: z.string().describe("The import that was called"),
      target: z.string().describe("What it wanted to reach, redacted"),
    })
    .describe("It failed or trapped after an import call was denied"),
  z
    .looseObject({
      kind: z.literal("indeterminate"),
      reason: z.string().describe("What is known of its end"),
    })
    .describe("Nobody saw its end: an outside effect may have happened, or not"),
]);

const event = z.looseObject({
  seq: count.describe("Position among the run's events: from 0, without gaps"),
  at_ms: count.describe("Milliseconds since the run's start"),
  import: z
    .string()
    .describe(
      "Which import was called, such as wasi:http/outgoing-handler#handle; requests and sockets of WASI 0.3 with their version, such as wasi:http/client@0.3.0#send",
    ),
  effect: z.enum(["allowed", "denied", "failed"]).describe("What came of it"),
  target: z
    .string()
    .exactOptional()
    .describe("Whom it reached: method, origin and path; never a query, a header, a body or a secret"),
  clause: z.string().exactOptional().describe("The policy's clause that allowed or denied it"),
  bytes_in: count.exactOptional().describe("Bytes received"),
  bytes_out: count.exactOptional().describe("Bytes sent"),
  result: z
    .string()
    .exactOptional()
    .describe("HTTP status, a failure word, or `cancelled`: the run ended first"),
  change: z
    .string()
    .exactOptional()
    .describe("Of a denial: the smallest change of policy or settings that would allow it, as YAML"),
});

const budgetUse = (what: string) =>
  z
    .looseObject({
      granted: z.number().nonnegative().describe("What the policy granted"),
      used: z.number().nonnegative().nullable().describe("What was used; null = not knowable"),
    })
    .describe(what);

/** The predicate. What matches it is a {@link RunPredicate}, possibly with members that this version does not know. */
export const RunPredicateSchema: z.ZodType<RunPredicate> = z.looseObject({
  run: z
    .string()
    .min(1)
    .describe("The run's id: run_ and 26 characters of Crockford base32, ordered by time"),
  tenant: z.string().describe("Whose run it is"),
  principal: z
    .string()
    .describe("Who asked: key: and the public id of the API key, or an issuer's name and its subject"),
  tier: z
    .string()
    .exactOptional()
    .describe("Tier of the tenant, by which the policy was chosen; absent in manifests older than the field"),
  credential: z
    .discriminatedUnion("kind", [
      z
        .looseObject({ kind: z.literal("api-key"), id: z.string().describe("The key's public id") })
        .describe("A key of this gateway"),
      z
        .looseObject({
          kind: z.literal("token"),
          issuer: z.string().describe("Who issued it: iss"),
          subject: z.string().describe("About whom: sub"),
          key: z.string().describe("Which of the issuer's keys signed it: kid"),
        })
        .describe("A token of an OpenID Connect issuer"),
    ])
    .exactOptional()
    .describe("What the principal proved itself with, never the thing itself; absent where nobody had to"),
  tool: z.string().describe("The tool's name in this gateway"),
  function: z.string().describe("Which export was called: interface/function"),
  purpose: z.string().describe("The business task that the caller stated"),
  task: z
    .looseObject({
      id: z.string().describe("The caller's name for it"),
      class: z.enum(TASK_CLASSES).describe("Who sees the result"),
      confidence: z
        .number()
        .min(0)
        .max(1)
        .exactOptional()
        .describe("How confident the caller was of it, 0 to 1; absent when it did not say"),
    })
    .exactOptional()
    .describe("The piece of work that the run belongs to; absent when the caller named none"),
  trace_id: z.string().describe("W3C trace id: 32 lower-case hex digits"),
  policy_id: hash
    .nullable()
    .describe(
      "sha256 of the policy's canonical JSON (RFC 8785); null when no policy named the tool and tier",
    ),
  artifact_hash: hash.describe("sha256 of the component's bytes"),
  input_hash: hash.describe("sha256 of the input's canonical JSON"),
  output_hash: hash.nullable().describe("sha256 of the output's canonical JSON; null when there was none"),
  decision: z
    .looseObject({
      effect: z.enum(["allow", "deny"]).describe("What was decided"),
      reasons: z.array(reason).describe("Why, clause by clause"),
    })
    .describe("What the policy said before anything ran"),
  grants: z.array(grant).describe("What the run was given, and nothing beyond it"),
  budget: z
    .looseObject({
      fuel: budgetUse("Deterministic units of work, by cost_table"),
      memory_bytes: budgetUse("Linear memory, at its peak"),
      egress_bytes: budgetUse("Bytes over the network, both ways"),
      requests: budgetUse("Outgoing requests"),
      output_bytes: budgetUse("Bytes of the output"),
      log_bytes: budgetUse("Bytes logged and printed"),
      wall_ms: budgetUse("Time, in ms"),
    })
    .nullable()
    .describe("What could be spent and what was; null when nothing ran"),
  memory_peak_bytes: count.nullable().describe("Linear memory at its peak; null when it is not known"),
  cost_table: z.string().describe("Version of the table by which fuel was counted"),
  relaxed_simd: z.literal(true).exactOptional().describe("Present where results may differ by machine"),
  events: z.array(event).describe("What the broker saw the run do, in order"),
  outcome: OutcomeSchema.describe("How it ended"),
  journal_hash: hash
    .nullable()
    .exactOptional()
    .describe(
      "sha256 of what was kept of the run, encrypted and erasable, as its policy asks: a journal to replay it by, or its input or output; null when that would have been over its bound, so that nothing was kept; absent when the policy asks for nothing",
    ),
  parent: z
    .looseObject({
      run: z.string().describe("The calling run"),
      policy_id: hash.describe("The caller's policy, which narrowed this run's"),
    })
    .exactOptional()
    .describe("The run that called this one through writ:host/tools; absent when a principal called"),
  children: z
    .array(
      z.looseObject({
        run: z.string().describe("The called run"),
        digest: z
          .string()
          .regex(/^[0-9a-f]{64}$/)
          .describe("Hex sha256 of the bytes that its manifest signs"),
      }),
    )
    .exactOptional()
    .describe("Runs that this one called and that were sealed, in order; absent when there are none"),
  lease: lease.exactOptional(),
  retry_of: z
    .string()
    .exactOptional()
    .describe("The earlier run that this one tries again; absent when it is no retry"),
  idempotency_key: hash
    .exactOptional()
    .describe(
      "sha256 of the caller's Idempotency-Key: whoever sends the key again is given this run's answer; absent without one",
    ),
  fallback: fallback.exactOptional(),
  aggregate: z
    .looseObject({
      count: count.describe("How many denials"),
      from: instant.describe("When the first was asked for"),
      until: instant.describe("When the last was decided"),
      reasons: z.record(z.string(), count).describe("How many were denied by which clause"),
      members: z
        .array(
          z.looseObject({
            run: z.string().describe("Its run id"),
            digest: hash.describe("sha256 of the statement that would have been signed of it alone"),
          }),
        )
        .describe("All of them, the first included"),
    })
    .exactOptional()
    .describe("A denial that stands for many: purpose, task, trace and input are the first one's"),
  isolation: z
    .looseObject({
      level: z.enum(ISOLATION_LEVELS).describe("The level reached"),
      verified: z.array(z.string()).describe("Restrictions that the executor was seen to have"),
    })
    .nullable()
    .describe("What stood between the guest and the machine; null when nothing ran"),
  runtime: z
    .looseObject({
      host: z.string().describe("Runtime of the gateway"),
      executor: z.string().nullable().describe("Runtime that the guest ran on; null when nothing ran"),
      writ: z.string().describe("Version of Writ"),
    })
    .describe("What it ran on"),
  started_at: instant.describe("When it was admitted: RFC 3339, UTC, milliseconds; the gateway's own clock"),
  finished_at: instant.describe("When it ended; keys have to be valid at this moment"),
});

/**
 * The predicate's JSON Schema, for tools that are not ours.
 *
 * @returns a JSON Schema 2020-12 document whose `$id` is the predicate type
 */
export function predicateSchema(): object {
  return {
    $id: PREDICATE_TYPE,
    title: "Execution manifest, version 1",
    description:
      "The predicate of the in-toto statement that a Writ gateway signs about one run. Members that are not named here are allowed and say nothing to a verifier that does not know them; words that are not named here (an outcome, a grant) are refused.",
    ...z.toJSONSchema(RunPredicateSchema, { unrepresentable: "any" }),
  };
}
