/**
 * The OpenAPI 3.1 document, generated from the zod schemas and the two tables: what is not in them is not described,
 * and a test holds them against the routes.
 *
 * @see https://spec.openapis.org/oas/v3.1.1
 */
import { z } from "zod";
import type { RefusalCode } from "../core/errors.ts";
import { SCOPES } from "../core/policy/index.ts";
import { InvocationBody } from "./invocation.ts";
import { OPERATIONS, type Operation } from "./operations.ts";
import { problemExample } from "./pages/problem.ts";
import { PROBLEMS, REFUSAL_CODES } from "./problem-table.ts";
import * as shapes from "./schemas.ts";

/** Where the gateway is reached, and its version. */
interface About {
  readonly version: string;
  readonly baseUrl: string;
}

/** Path parameters, wherever a path names them. */
const PATH_PARAMETERS: Readonly<Record<string, object>> = {
  tool: { type: "string", pattern: "^[a-z][a-z0-9-]{0,62}$" },
  interface: { type: "string" },
  function: { type: "string" },
  action: { type: "string", pattern: "^act_[0-9A-Za-z]{26}$" },
  run: { type: "string", pattern: "^run_[0-9A-Za-z]{26}$" },
  code: { type: "string", enum: REFUSAL_CODES },
};

/** Headers of an invocation's answer. */
const INVOCATION_HEADERS = {
  traceparent: { description: "The trace that the run belongs to (W3C)", schema: { type: "string" } },
  "Writ-Run": { description: "The run's id", schema: { type: "string" } },
  "Writ-Outcome": { description: "Name of the outcome", schema: { type: "string" } },
  "Writ-Fallback": {
    description: "Kind of the fallback that applied; absent without one",
    schema: { type: "string" },
  },
  "Idempotent-Replayed": {
    description: "true: this is what the same key was answered before, and nothing ran now",
    schema: { type: "string" },
  },
  "RateLimit-Policy": {
    description: "Limits of the policy's windows (draft-ietf-httpapi-ratelimit-headers)",
    schema: { type: "string" },
  },
  RateLimit: { description: "What is left of each, and for how long", schema: { type: "string" } },
};

/** Headers that an invocation takes. */
const REQUEST_HEADERS = [
  { name: "traceparent", in: "header", description: "W3C trace context", schema: { type: "string" } },
  {
    name: "tracestate",
    in: "header",
    description: "W3C trace context: goes on, unchanged, where a policy lets the trace go on",
    schema: { type: "string" },
  },
  {
    name: "Idempotency-Key",
    in: "header",
    description:
      "Sent again within a day with the same body, it is answered with the same bytes, and nothing runs; with another body it is refused",
    schema: { type: "string", minLength: 1, maxLength: 128 },
  },
];

/** @returns the document, ready for `JSON.stringify` */
export function describeApi(about: About): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const operation of OPERATIONS) {
    paths[operation.path] = { ...paths[operation.path], [operation.method]: describeOperation(operation) };
  }
  return {
    openapi: "3.1.1",
    info: {
      title: "Writ",
      version: about.version,
      summary: "Runs agents' tools as WebAssembly components under a policy, and signs what they did",
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    servers: [{ url: about.baseUrl }],
    paths,
    components: {
      schemas: { ...answerSchemas(), Problem: problemSchema(), ...refusalSchemas(about) },
      responses: Object.fromEntries(REFUSAL_CODES.map((code) => [code, describeRefusal([code])])),
      securitySchemes: {
        credentials: {
          type: "http",
          scheme: "bearer",
          description: `An API key of this gateway, or a token of an issuer that it believes. Scopes: ${SCOPES.map(({ name, means }) => `${name}: ${means}`).join(". ")}`,
        },
      },
    },
  };
}

function describeOperation(operation: Operation): object {
  const { id, summary, body, scope } = operation;
  return {
    operationId: id,
    summary,
    ...parametersOf(operation),
    ...(body && {
      requestBody: { required: true, content: { "application/json": { schema: refTo(body) } } },
    }),
    responses: { "200": describeAnswer(operation), ...problemsOf(operation) },
    ...(scope === "public" ? {} : { security: [{ credentials: [scope] }] }),
  };
}

function describeAnswer({ summary, answer, contentType = "application/json", body }: Operation): object {
  const schema = answer === undefined ? {} : { schema: refTo(answer) };
  return {
    description: summary,
    ...(body === InvocationBody && { headers: INVOCATION_HEADERS }),
    content: { [contentType]: schema },
  };
}

function parametersOf({ path, body, query }: Operation): object {
  const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name = ""]) => ({
    name,
    in: "path",
    required: true,
    schema: PATH_PARAMETERS[name] ?? { type: "string" },
  }));
  const inHeader = body === InvocationBody ? REQUEST_HEADERS : [];
  const inQuery = Object.entries(query?.shape ?? {}).map(([name, schema]) => ({
    name,
    in: "query",
    schema: bare(schema),
  }));
  const parameters = [...inPath, ...inHeader, ...inQuery];
  return parameters.length === 0 ? {} : { parameters };
}

/** Several codes may share a status: one response, of which the schema says `oneOf`. */
function problemsOf({ id, refusals }: Operation): Record<string, object> {
  const responses: Record<string, object> = {};
  const codes: readonly RefusalCode[] = [...refusals, "internal"];
  for (const status of new Set(codes.map((code) => PROBLEMS[code].status))) {
    responses[status] = describeRefusal(codes.filter((code) => PROBLEMS[code].status === status));
  }
  if (id === "readyz") responses[503] = { description: "Not ready", content: jsonOf("Readiness") };
  // Problems that HTTP itself names: 404, 405, 408, 415, 421 …
  responses.default = {
    description: "A problem of type about:blank",
    content: jsonOf("Problem", PROBLEM_TYPE),
  };
  return responses;
}

const PROBLEM_TYPE = "application/problem+json";

function describeRefusal(codes: readonly RefusalCode[]): object {
  const refs = codes.map((code) => ({ $ref: `#/components/schemas/${schemaName(code)}` }));
  const retryAfter = codes.some((code) => PROBLEMS[code].retryAfter);
  return {
    description: codes.map((code) => `${code}: ${PROBLEMS[code].meaning}`).join(" "),
    ...(retryAfter && {
      headers: { "Retry-After": { description: "Seconds", schema: { type: "integer" } } },
    }),
    content: { [PROBLEM_TYPE]: { schema: refs.length === 1 ? refs[0] : { oneOf: refs } } },
  };
}

function jsonOf(name: string, contentType = "application/json"): object {
  return { [contentType]: { schema: { $ref: `#/components/schemas/${name}` } } };
}

/** RFC 9457 section 3.1: the members that every problem has. */
function problemSchema(): object {
  return {
    type: "object",
    properties: {
      type: { type: "string", format: "uri-reference" },
      title: { type: "string" },
      status: { type: "integer" },
      detail: { type: "string" },
      instance: { type: "string", format: "uri-reference" },
    },
    required: ["type", "title", "status"],
  };
}

function refusalSchemas(about: About): Record<string, object> {
  return Object.fromEntries(
    REFUSAL_CODES.map((code) => {
      const { title, status, members } = PROBLEMS[code];
      const own = {
        type: { const: `${about.baseUrl}/problems/${code}` },
        title: { const: title },
        status: { const: status },
        ...Object.fromEntries(
          members.map(({ name, schema, meaning }) => [name, { ...schema, description: meaning }]),
        ),
      };
      const schema = {
        allOf: [{ $ref: "#/components/schemas/Problem" }],
        properties: own,
        required: members.map(({ name }) => name),
        examples: [problemExample(code, about)],
      };
      return [schemaName(code), schema];
    }),
  );
}

/** `unknown-tool` → `UnknownToolProblem`. */
function schemaName(code: RefusalCode): string {
  const words = code.split("-").map((word) => word.charAt(0).toUpperCase() + word.slice(1));
  return `${words.join("")}Problem`;
}

/** Every shape, each once and referred to by its id; a shape inside another is referred to as well. */
function answerSchemas(): Record<string, object> {
  const registry = z.registry<{ id: string }>();
  const bodies = new Set(OPERATIONS.flatMap(({ body }) => (body === undefined ? [] : [body])));
  for (const schema of [...bodies, ...Object.values(shapes)]) registry.add(schema, { id: idOf(schema) });
  const { schemas } = z.toJSONSchema(registry, {
    unrepresentable: "any",
    io: "input",
    uri: (id) => `#/components/schemas/${id}`,
  });
  return Object.fromEntries(Object.entries(schemas).map(([id, schema]) => [id, withoutHead(schema)]));
}

function refTo(schema: z.ZodType): object {
  return { $ref: `#/components/schemas/${idOf(schema)}` };
}

function idOf(schema: z.ZodType): string {
  const id = z.globalRegistry.get(schema)?.id;
  if (id === undefined) throw new TypeError("Cannot describe a shape: it has no id in its meta data");
  return id;
}

function bare(schema: z.ZodType): object {
  return withoutHead(z.toJSONSchema(schema, { io: "input" }));
}

/** The dialect is the document's own, and an `$id` inside it would move the base of every reference. */
function withoutHead(schema: object): object {
  const { $schema: _dialect, $id: _id, id: _name, ...rest } = { $schema: "", $id: "", id: "", ...schema };
  return rest;
}
