/**
 * The policy document as a zod schema: what an author may write, its defaults, and its normal form. Its input side
 * is published as JSON Schema.
 *
 * The `error` of each part is the phrase after "wanted" in a fault; `faults.ts` writes the rest of the sentence.
 * Nothing is accepted here that nothing enforces: words for later versions are refused when read.
 */
import * as z from "zod";
import { TRACE_FIELDS } from "./header-lists.ts";
import { PORTS } from "./port-range.ts";
import { fallback, loopCap, retryBudget, windows } from "./schema-accounts.ts";
import { evidenceClause } from "./schema-evidence.ts";
import { functionName, hostPattern, integer, name, ports, setOf, size } from "./schema-parts.ts";
import {
  config,
  environment,
  filesystem,
  keyvalue,
  onSecretEcho,
  programArguments,
  secretOperations,
  sockets,
  tools,
} from "./schema-reach.ts";
import { ISOLATION_LEVELS, OBSERVABILITY_FIELDS, type ObservabilityField } from "./types.ts";
import { canonicalPath } from "./url-path.ts";

const budget = z
  .strictObject(
    {
      fuel: integer(
        "Deterministic work units; exponents such as 2e8 are numbers too",
        1,
        Number.MAX_SAFE_INTEGER,
      ),
      memory_bytes: size("Linear memory, all core modules together", 2 ** 16, 2 ** 32),
      egress_bytes: size("Bytes on the wire, both ways", 0, Number.MAX_SAFE_INTEGER),
      requests: integer("Outgoing requests; look-ups and connections of sockets count too", 0, 1_000_000),
      output_bytes: size("Bytes of the output's JSON text", 0, 2 ** 32),
      log_bytes: size("Bytes of log entries, stdout and stderr together", 0, 2 ** 32),
    },
    { error: "the mapping of all six budgets" },
  )
  .describe("What one run may spend; reaching one of them ends the run as exhausted");

const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] as const;
const method = z.enum(METHODS, { error: `one of ${METHODS.join(", ")}` });

const PATH =
  'a path that begins with "/", optionally ending in "/*", in canonical spelling: no query, no other "*", no empty ' +
  "or dot segments, no encoded slash or backslash, percent-encoding only where needed and in upper case";
const path = z
  .string({ error: PATH })
  .max(1024, { error: PATH })
  .refine(isPathPattern, { error: PATH })
  .meta({ pattern: "^/[^?#\\\\]*$" });

/** A rule's path must be spelled as {@link canonicalPath} spells requests, or it could never match one. */
function isPathPattern(pattern: string): boolean {
  const fixed = pattern.endsWith("/*") ? pattern.slice(0, -1) : pattern;
  const canonical = canonicalPath(fixed);
  return !fixed.includes("*") && canonical.kind === "ok" && canonical.path === fixed;
}

const FIELD_NAME = "the lower-case name of a header field";
const fieldName = z
  .string({ error: FIELD_NAME })
  .max(256, { error: FIELD_NAME })
  .regex(/^[a-z0-9!#$%&'*+.^_`|~-]+$/, { error: FIELD_NAME });
const HEADER_LISTS = "a mapping with allow, strip or both, each a list of header names";
const headerLists = z
  .strictObject(
    {
      allow: setOf(fieldName, "a list of header names", 0).optional(),
      strip: setOf(fieldName, "at least one header name", 1).optional(),
    },
    { error: HEADER_LISTS },
  )
  .refine(({ allow, strip }) => allow !== undefined || strip !== undefined, { error: HEADER_LISTS })
  .transform(({ allow, strip }) => ({
    ...(allow === undefined ? {} : { allow }),
    ...(strip === undefined ? {} : { strip }),
  }));

const ruleShape = z.strictObject(
  {
    host: hostPattern,
    scheme: z.enum(["http", "https"], { error: "http or https" }),
    port: ports.describe(`Always written, even when it is the scheme's own: ${PORTS}`),
    methods: setOf(method, `at least one of ${METHODS.join(", ")}`, 1).describe("Exact methods"),
    paths: setOf(path, "at least one path", 1).describe(
      "Exact paths, or prefixes ending in /* that cover what is below",
    ),
    request_headers: headerLists.describe("Header fields of the guest that go out").optional(),
    response_headers: headerLists.describe("Header fields that the guest sees of the response").optional(),
    trace_context: z
      .literal("propagate", { error: "propagate; without it no trace context goes out" })
      .describe("Requests carry the run's W3C trace context; the guest neither sets nor sees it")
      .optional(),
  },
  { error: "a mapping of host, scheme, port, methods and paths" },
);

/** Keys that a rule may have, for "did you mean". */
export const RULE_KEYS: readonly string[] = Object.keys(ruleShape.shape);

const rule = ruleShape
  .refine(
    ({ trace_context, request_headers, response_headers }) =>
      trace_context === undefined ||
      ![request_headers, response_headers].some((lists) =>
        lists?.allow?.some((name) => TRACE_FIELDS.includes(name)),
      ),
    {
      path: ["trace_context"],
      error: `none where allow names ${TRACE_FIELDS.join(", ")}: one of the two says it`,
    },
  )
  // Absent stays absent: a policy has one spelling, and members that are undefined are none of it.
  .transform(({ request_headers, response_headers, trace_context, ...rest }) => ({
    ...rest,
    ...(request_headers === undefined ? {} : { request_headers }),
    ...(response_headers === undefined ? {} : { response_headers }),
    ...(trace_context === undefined ? {} : { trace_context }),
  }))
  .describe("One permitted kind of outgoing request; all five fields must match");

const functions = z
  .record(
    functionName,
    z.strictObject(
      { operation: z.enum(["read", "write"], { error: "read or write" }) },
      { error: "a mapping with operation: read or write" },
    ),
    { error: "a mapping of functions, keyed interface/function" },
  )
  .refine((entries) => Object.keys(entries).length > 0, { error: "at least one function" })
  .describe("What may be invoked; a function that is not named may not");

const relaxedSimd = z
  .literal("allow", { error: "allow; without it such components are refused" })
  .describe(
    "Components may use relaxed SIMD operators, whose results differ between machines; the manifest says so",
  );

/** The evidence every audit needs; sorted, as the normal form wants it. */
const DEFAULT_FIELDS: ObservabilityField[] = ["artifact_hash", "policy_id", "purpose", "tenant", "trace_id"];

/** The document, strict: unknown keys are faults. Its output is the `Policy` in normal form. */
export const policyDocument = z
  .strictObject(
    {
      tool_id: name.describe("The tool this policy is for"),
      tenant_tier: setOf(name, "at least one tier", 1).describe("Tiers of the tenants it is for"),
      purpose: setOf(name, "at least one purpose", 1).describe("Business tasks a caller may state"),
      functions,
      network_allowlist: z
        .array(rule, { error: "a list of rules" })
        .max(256, { error: "at most 256 rules" })
        .default([])
        .describe("Outgoing requests that are permitted. Order is kept: evidence names rules by index"),
      environment: environment.exactOptional(),
      arguments: programArguments.exactOptional(),
      config: config.exactOptional(),
      keyvalue: keyvalue.exactOptional(),
      filesystem: filesystem.exactOptional(),
      sockets: sockets.exactOptional(),
      tools: tools.exactOptional(),
      secret_operations: secretOperations.exactOptional(),
      on_secret_echo: onSecretEcho.exactOptional(),
      secret_profile: name.optional().describe("An operator-side profile of secrets; no secrets when absent"),
      max_duration_ms: integer(
        "Time to live of the run in milliseconds, queueing and host calls included",
        1,
        600_000,
      ),
      budget,
      windows: windows.exactOptional(),
      retry_budget: retryBudget.exactOptional(),
      loop_cap: loopCap.exactOptional(),
      required_observability_fields: setOf(
        z.enum(OBSERVABILITY_FIELDS, { error: `one of ${OBSERVABILITY_FIELDS.join(", ")}` }),
        "a list of manifest fields",
        0,
      )
        .default(DEFAULT_FIELDS)
        .meta({
          description: "Manifest fields without which a run is not answered",
          default: DEFAULT_FIELDS,
        }),
      isolation_minimum: z
        .enum(ISOLATION_LEVELS, { error: `one of ${ISOLATION_LEVELS.join(", ")}` })
        .default("process")
        .describe("Weakest isolation in which a run may start"),
      fallback: fallback.default({ kind: "error" }),
      evidence: evidenceClause.exactOptional(),
      relaxed_simd: relaxedSimd.exactOptional(),
    },
    {
      error: "a policy: a mapping with tool_id, tenant_tier, purpose, functions, max_duration_ms and budget",
    },
  )
  .superRefine((policy, context) => {
    // A window that has no room for one run would refuse every run: a mistake of whoever wrote it.
    const largest = { ...policy.budget, seconds: Math.ceil(policy.max_duration_ms / 1000) };
    for (const [index, rule] of (policy.windows ?? []).entries()) {
      for (const measure of ["fuel", "egress_bytes", "seconds"] as const) {
        const limit = rule[measure];
        if (limit === undefined || limit >= largest[measure]) continue;
        const message = `at least what one run may take: ${largest[measure]}`;
        context.addIssue({ code: "custom", path: ["windows", index, measure], message });
      }
    }
  })
  .refine(({ relaxed_simd, evidence }) => relaxed_simd === undefined || evidence?.journal !== "full", {
    path: ["relaxed_simd"],
    error: "none where evidence.journal is full: such a run could not be replayed elsewhere",
  })
  .describe("A Writ policy: what one tool may reach and spend for tenants of certain tiers");

/**
 * The JSON Schema of policy documents, for editors and reviewers.
 *
 * It is as strict as JSON Schema can say: hosts and paths are checked further when a policy is read.
 *
 * @returns a JSON Schema, draft 2020-12, as a new object
 */
export function policySchema(): Record<string, unknown> {
  const schema = z.toJSONSchema(policyDocument, {
    io: "input",
    unrepresentable: "throw",
    override: keepDefault,
  });
  return { ...schema, title: "Writ policy" };
}

/** zod drops the defaults of parts that transform their input; these defaults are the same on both sides. */
function keepDefault(part: { zodSchema: z.core.$ZodTypes; jsonSchema: z.core.JSONSchema.BaseSchema }): void {
  const { def } = part.zodSchema._zod;
  if (def.type === "default") Object.assign(part.jsonSchema, { default: def.defaultValue });
}
