/** The small parts of the policy schema: names, hosts, ports, sets, sizes, integers. `error` is the phrase after "wanted" in a fault. */
import * as z from "zod";
import { HOST_PATTERN, hostPatternFault } from "./host-pattern.ts";
import { PORTS, type Ports, parsePorts } from "./port-range.ts";

const NAME = "a name of lower-case words joined by hyphens, at most 64 characters";
/** Names of tools, tiers, purposes and secret profiles. */
export const name = z
  .string({ error: NAME })
  .regex(/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/, { error: NAME })
  .max(64, { error: NAME });

const LABEL = "([a-z][a-z0-9]*|[A-Z][A-Z0-9]*)(-([a-z0-9]+|[A-Z0-9]+))*";
const FUNCTION =
  "a key such as weather/forecast: the exported interface without package and version, and its function; or the function alone when the world itself exports it";
/** Keys of functions. */
export const functionName = z
  .string({ error: FUNCTION })
  .regex(new RegExp(`^(${LABEL}/)?${LABEL}$`), { error: FUNCTION })
  .max(256, { error: FUNCTION });

/** A host, or every host below a name. */
export const hostPattern = z
  .string({ error: HOST_PATTERN })
  .superRefine((pattern, context) => {
    const message = hostPatternFault(pattern);
    if (message !== undefined) context.addIssue({ code: "custom", message });
  })
  .describe(`A host: ${HOST_PATTERN}`);

/** A port, a range of them, or all. */
export const ports = z
  .union([z.int({ error: PORTS }).min(1, { error: PORTS }).max(65535, { error: PORTS }), z.string()], {
    error: PORTS,
  })
  .transform((written, context): Ports => {
    const parsed = parsePorts(written);
    if (parsed === undefined) context.addIssue({ code: "custom", message: PORTS });
    return parsed ?? z.NEVER;
  });

/**
 * Lists whose order says nothing: sorted and without repetition, so that two spellings have one policy id.
 *
 * @param item schema of the items
 * @param wanted phrase for a fault of the list
 * @param least 1 where an empty list would permit nothing and so must be a mistake
 * @returns the schema; at most 256 items
 */
export function setOf<T extends string>(item: z.ZodType<T>, wanted: string, least: 0 | 1) {
  return z
    .array(item, { error: wanted })
    .min(least, { error: wanted })
    .max(256, { error: wanted })
    .transform((items) => [...new Set(items)].sort());
}

/** Byte sizes: `kB`, `MB` and `GB` count in thousands, `KiB`, `MiB` and `GiB` in 1024s. */
const UNITS: Readonly<Record<string, number>> = {
  B: 1,
  kB: 1e3,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
};
const SIZE_TEXT = /^(0|[1-9][0-9]{0,15})(B|kB|KB|MB|GB|KiB|MiB|GiB)$/;

/**
 * Sizes in bytes, as an integer or as text with a unit.
 *
 * @param description for the JSON Schema
 * @param least smallest size accepted
 * @param most largest size accepted
 * @returns the schema; its output is an integer
 */
export function size(description: string, least: number, most: number) {
  const wanted = `bytes from ${least} to ${most}, as an integer or as text such as 64MiB, 256KiB, 1MB`;
  const bound = { error: wanted };
  return z
    .union([z.int(bound).min(least, bound).max(most, bound), z.string(bound).regex(SIZE_TEXT, bound)], bound)
    .transform(bytesOf)
    .refine((bytes) => bytes >= least && bytes <= most, bound)
    .describe(`${description}. ${wanted[0]?.toUpperCase()}${wanted.slice(1)}.`);
}

/** The texts that reach this function have matched SIZE_TEXT. */
function bytesOf(written: number | string): number {
  if (typeof written === "number") return written;
  const [, digits = "", unit = ""] = SIZE_TEXT.exec(written) ?? [];
  return Number(digits) * (UNITS[unit] ?? Number.NaN);
}

/**
 * Integers within bounds.
 *
 * @param description for the JSON Schema
 * @param least smallest accepted
 * @param most largest accepted
 * @returns the schema
 */
export function integer(description: string, least: number, most: number) {
  const wanted = `an integer from ${least} to ${most}`;
  const bound = { error: wanted };
  return z.int(bound).min(least, bound).max(most, bound).describe(description);
}
