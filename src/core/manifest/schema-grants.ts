/**
 * The part of the manifest's schema that says what a run was given: the grants of the decision, as a policy's clauses
 * make them.
 */
import { z } from "zod";
import type { PortRange } from "../policy/port-range.ts";
import { SECRET_OPERATIONS } from "../policy/reach.ts";

const count = z.int().nonnegative();

const PORT_RANGE = /^[1-9][0-9]{0,4}-[1-9][0-9]{0,4}$/;
function isPortRange(value: unknown): value is PortRange {
  return typeof value === "string" && PORT_RANGE.test(value);
}

const headerLists = z.looseObject({
  allow: z.array(z.string()).exactOptional().describe("These alone"),
  strip: z.array(z.string()).exactOptional().describe("These never"),
});

const ports = z
  .union([
    z.int().min(1).max(65535),
    z.custom<PortRange>(isPortRange).meta({ type: "string", pattern: PORT_RANGE.source }),
  ])
  .describe("A port, or a range such as 8000-8999");

const networkRule = z.looseObject({
  host: z.string().min(1).describe("A host, or `*.` and a name for every host below it"),
  scheme: z.enum(["http", "https"]).describe("Exact scheme"),
  port: ports,
  methods: z.array(z.enum(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])).describe("Methods"),
  paths: z.array(z.string()).describe("Paths"),
  request_headers: headerLists.exactOptional().describe("Header fields of the guest that may go out"),
  response_headers: headerLists
    .exactOptional()
    .describe("Header fields of a response that the guest may see"),
  trace_context: z
    .literal("propagate")
    .exactOptional()
    .describe("Requests carried the run's W3C trace context; the event names their span"),
});

/** What a run was given, one of several kinds. Words of later versions are refused. */
export const grant = z.discriminatedUnion("kind", [
  z
    .looseObject({
      kind: z.literal("http-client"),
      rules: z.array(networkRule).describe("What may be requested; nothing else is"),
      secretProfile: z
        .string()
        .exactOptional()
        .describe("Secret that the broker adds to its audience's requests"),
    })
    .describe("Outgoing HTTP requests"),
  z
    .looseObject({
      kind: z.literal("secrets"),
      profile: z.string().describe("Name of the operator's profile"),
    })
    .describe("Operations with a secret, or reading it"),
  z.looseObject({ kind: z.literal("log") }).describe("Structured log lines"),
  z.looseObject({ kind: z.literal("run-info") }).describe("What the run may know of itself"),
  z.looseObject({ kind: z.literal("clocks") }).describe("Clocks, coarsened"),
  z.looseObject({ kind: z.literal("random") }).describe("Random bytes"),
  z.looseObject({ kind: z.literal("stdio") }).describe("Printing"),
  z
    .looseObject({
      kind: z.literal("environment"),
      variables: z.record(z.string(), z.string()).exactOptional().describe("Absent = none"),
      arguments: z.array(z.string()).exactOptional().describe("After the program's name; absent = none"),
    })
    .describe("Variables and arguments the tool was started with"),
  z
    .looseObject({
      kind: z.literal("config"),
      values: z.record(z.string(), z.string()).describe("Keys and texts it could read"),
    })
    .describe("Configuration"),
  z
    .looseObject({
      kind: z.literal("keyvalue"),
      buckets: z.array(z.string()).describe("Names of the buckets it could open"),
      bytes: count.describe("Bytes that it may keep"),
      items: count.describe("Items that it may keep"),
      operations: count.describe("Calls that one run may make"),
    })
    .describe("Keys and values kept between runs"),
  z
    .looseObject({
      kind: z.literal("filesystem"),
      scratch_bytes: count.describe("Bytes of scratch space; 0 = none"),
      mounts: z
        .array(
          z.looseObject({
            name: z.string().describe("The operator's name for it"),
            path: z.string().describe("Where the guest finds it"),
          }),
        )
        .describe("Directories of the operator's, to be read"),
      volume: z
        .looseObject({
          path: z.string().describe("Where the guest finds it"),
          bytes: count.describe("Bytes that it may keep"),
        })
        .exactOptional()
        .describe("A directory that is kept between runs"),
      operations: count.describe("Calls that one run may make"),
    })
    .describe("Directories it found open"),
  z
    .looseObject({
      kind: z.literal("sockets"),
      rules: z
        .array(
          z.looseObject({
            host: z.string().min(1).describe("A host, or `*.` and a name for every host below it"),
            port: ports,
          }),
        )
        .describe("Where it could connect to; none = nowhere"),
    })
    .describe("Outgoing TCP connections"),
  z
    .looseObject({
      kind: z.literal("tools"),
      tools: z
        .array(
          z.looseObject({
            tool: z.string().describe("The tool's name"),
            functions: z.array(z.string()).describe("Functions of it"),
            calls: count.describe("Calls of the run, all these functions together"),
          }),
        )
        .describe("Nothing else can be called"),
    })
    .describe("Functions of other tools that may be called"),
  z
    .looseObject({
      kind: z.literal("signing"),
      profile: z.string().describe("Name of the operator's profile"),
      operations: z.array(z.enum(SECRET_OPERATIONS)).describe("What could be done with its secret"),
    })
    .describe("Signatures with the profile's secret"),
  z
    .looseObject({
      kind: z.literal("reveal"),
      profile: z.string().describe("Name of the operator's profile"),
    })
    .describe("Reading the text of the profile's secret"),
]);
