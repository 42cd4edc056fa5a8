/**
 * The clauses of a policy that say what a tool may reach beside the network: what it is started with and what it is
 * configured by. Plain maps and lists, so that one policy's reach can be compared with another's.
 *
 * None of it is a place for secrets: a policy is shown to reviewers, and its grants stand in every manifest.
 */
import * as z from "zod";
import { PORTS } from "./port-range.ts";
import { SECRET_OPERATIONS } from "./reach.ts";
import { functionName, hostPattern, integer, name, ports, setOf, size } from "./schema-parts.ts";

const VARIABLE = "a variable's name: letters, digits and _, not beginning with a digit";
const TEXT = "text without NUL, at most 4096 characters";
const plain = z
  .string({ error: TEXT })
  .max(4096, { error: TEXT })
  .refine((text) => !text.includes("\0") && text.isWellFormed(), { error: TEXT });

/** `environment`: variables of `wasi:cli/environment`, and nothing of the operator's own. */
export const environment = z
  .record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/, { error: VARIABLE }), plain, {
    error: "a mapping of variables to texts",
  })
  .refine((variables) => Object.keys(variables).length <= 128, { error: "at most 128 variables" })
  .describe("Environment variables the tool reads; never the operator's own, and no place for secrets");

/** `arguments`: what follows the program's name, which is the tool's. */
export const programArguments = z
  .array(plain, { error: "a list of texts" })
  .max(64, { error: "at most 64 arguments" })
  .describe("Arguments the tool is started with, after its own name");

const KEY = "a key of 1 to 256 characters without control characters";
const VALUE = "text of at most 65536 characters";

/** `config`: what `wasi:config/store` answers. */
export const config = z
  .record(
    z.string().regex(/^\P{Cc}{1,256}$/u, { error: KEY }),
    z
      .string({ error: VALUE })
      .max(65_536, { error: VALUE })
      .refine((text) => text.isWellFormed(), { error: VALUE }),
    { error: "a mapping of keys to texts" },
  )
  .refine((values) => Object.keys(values).length <= 256, { error: "at most 256 keys" })
  .describe("Configuration the tool reads through wasi:config/store; no place for secrets");

/** `keyvalue`: what is kept between runs, apart for each tenant and tool. */
export const keyvalue = z
  .strictObject(
    {
      buckets: setOf(name, "at least one bucket's name", 1).describe("Buckets the tool may open"),
      bytes: size("Keys and values of all buckets together, for one tenant", 0, 2 ** 40),
      items: integer("Items of all buckets together, for one tenant", 0, 10_000_000).default(10_000),
      operations: integer("Calls of one run; batches count each key", 1, 1_000_000).default(1_000),
    },
    { error: "a mapping of buckets and bytes" },
  )
  .describe("Keys and values the tool keeps between runs through wasi:keyvalue, apart for each tenant");

const GUEST_PATH = 'a path such as /data: names of letters, digits, ".", "_" and "-" after single slashes';
const guestPath = z
  .string({ error: GUEST_PATH })
  .regex(/^(\/(?!\.{1,2}(\/|$))[A-Za-z0-9._-]{1,64}){1,8}$/, { error: GUEST_PATH });

/** `filesystem`: what is preopened. */
export const filesystem = z
  .strictObject(
    {
      scratch_bytes: size("A tree in memory at /, which ends with the run", 0, 64 * 1024 * 1024).default(0),
      mounts: z
        .array(
          z.strictObject(
            { name: name.describe("A folder the operator named"), path: guestPath },
            { error: "a mapping of name and path" },
          ),
          { error: "a list of mounts" },
        )
        .max(16, { error: "at most 16 mounts" })
        .default([])
        .describe("Folders of the operator, read-only, as they were when the gateway started"),
      volume: z
        .strictObject(
          {
            path: guestPath,
            bytes: size("Files of one tenant, their names included", 0, 2 ** 30),
          },
          { error: "a mapping of path and bytes" },
        )
        .exactOptional()
        .describe("Files the tool keeps between runs, apart for each tenant"),
      operations: integer("Calls of one run that reach mounts and volume", 1, 1_000_000).default(1_000),
    },
    { error: "a mapping of scratch_bytes, mounts and volume" },
  )
  .refine(
    ({ mounts, volume }) => {
      const paths = [...mounts.map(({ path }) => path), ...(volume === undefined ? [] : [volume.path])];
      return new Set(paths).size === paths.length;
    },
    { error: "every path once" },
  )
  .describe("Directories the tool finds open; without it there are none");

/** `sockets`: outgoing TCP. What is spoken over it, TLS included, is between the tool and the far end. */
export const sockets = z
  .array(
    z.strictObject(
      { host: hostPattern, port: ports.describe(`Always written: ${PORTS}`) },
      { error: "a mapping of host and port" },
    ),
    { error: "a list of places" },
  )
  .max(64, { error: "at most 64 places" })
  .describe(
    "Hosts and ports the tool may connect to by TCP through wasi:sockets. Order is kept: evidence names them by index",
  );

const TOOL_RULE = "a mapping of tool and functions";

/** `tools`: functions of other tools that may be called. */
export const tools = z
  .array(
    z.strictObject(
      {
        tool: name.describe("The tool's name"),
        functions: setOf(functionName, "at least one function", 1).describe("Functions that may be called"),
        calls: integer("Calls of one run, all these functions together", 1, 1000).default(16),
      },
      { error: TOOL_RULE },
    ),
    { error: "a list of tools" },
  )
  .max(64, { error: "at most 64 tools" })
  .refine((rules) => new Set(rules.map(({ tool }) => tool)).size === rules.length, {
    error: "each tool once",
  })
  .describe("Other tools' functions that may be called, each under its own policy narrowed by this one");

/** `secret_operations`: what may be done with the profile's secret besides sending it. */
export const secretOperations = setOf(
  z.enum(SECRET_OPERATIONS, { error: `one of ${SECRET_OPERATIONS.join(", ")}` }),
  "a list of operations",
  1,
).describe("What the tool may do with its secret besides having it sent: sign with it, or read it");

/** `on_secret_echo`: what finding a secret means. */
export const onSecretEcho = z
  .enum(["redact", "revoke"], { error: "redact or revoke" })
  .describe(
    "What happens when a secret is found in a response or an output; it is overwritten in either case",
  );
