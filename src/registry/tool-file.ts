/** `tool.json`: what a built tool says about itself. Only its words are believed; what it can do is read from the binary. */
import { z } from "zod";
import { parseStrictJson } from "../core/manifest/index.ts";
import type { RegistryFault } from "./registry-error.ts";

/** Form of a tool's name, which is also its folder's. */
export const TOOL_NAME: RegExp = /^[a-z][a-z0-9-]{0,62}$/;

const MAX_BYTES = 1_048_576;

const ToolDocument = z.strictObject({
  name: z.string().regex(TOOL_NAME),
  description: z.string().max(1000),
  engine: z.string().max(100),
  // A name in the same folder: no separator, so nothing outside of it can be meant.
  component: z.string().regex(/^[a-z0-9][a-z0-9._-]{0,99}\.wasm$/),
  digest: z.string().regex(/^sha256:[0-9a-f]{64}$/),
  functions: z.record(z.string(), z.string()),
  // Claims of the build about itself: for people, read by nothing here.
  imports: z.array(z.string()).optional(),
  built_from: z.string().optional(),
});

/** A `tool.json`, read. */
export interface ToolFile {
  readonly name: string;
  readonly description: string;
  readonly component: string;
  /** `sha256:<hex>` that the component must have. */
  readonly digest: string;
  /** Descriptions by function key; a function may lack one. */
  readonly functions: ReadonlyMap<string, string>;
}

/**
 * Reads a `tool.json`.
 *
 * @param bytes hostile
 * @param source its path, for faults
 * @returns the tool's words, or every fault; never throws
 */
export function readToolFile(bytes: Uint8Array, source: string): ToolFile | readonly RegistryFault[] {
  if (bytes.byteLength > MAX_BYTES) return [{ source, detail: `is larger than ${MAX_BYTES} bytes` }];
  const json = parseStrictJson(bytes);
  if (!json.ok) return [{ source, detail: `is not strict JSON: ${json.reason}` }];
  const parsed = ToolDocument.safeParse(json.value);
  if (!parsed.success) {
    return parsed.error.issues.map(({ path, message }) => ({
      source,
      detail: `${path.map((key) => `/${String(key)}`).join("")} ${message}`.trim(),
    }));
  }
  const { name, description, component, digest, functions } = parsed.data;
  return { name, description, component, digest, functions: new Map(Object.entries(functions)) };
}
