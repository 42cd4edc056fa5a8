/**
 * `tool.json`: what the build writes beside a component, for whoever loads it.
 *
 * A built tool is a folder that explains itself: `<name>.wasm`, `policy.yaml` (a copy) and this.
 */
import { z } from "zod";

/** The form of `tool.json`. */
export const toolFactsSchema = z.strictObject({
  name: z.string(),
  description: z.string(),
  engine: z.string(),
  /** The component's file name, in the same folder. */
  component: z.string(),
  /** `sha256:` and the component's sha256 in hexadecimal. Builds differ, so this names the bytes, not the source. */
  digest: z.string().regex(/^sha256:[0-9a-f]{64}$/),
  /** Doc comments by `<interface>/<function>`: component binaries do not keep them. */
  functions: z.record(z.string(), z.string()),
  /** The interfaces that the component imports, as its binary names them. For readers; intake decodes the binary. */
  imports: z.array(z.string()),
  /** What it was built from: sha256 of source, WIT, engine versions and recipe. Equal means: no need to build again. */
  built_from: z.string().regex(/^[0-9a-f]{64}$/),
});

/** What `tool.json` says of a built tool. */
export type ToolFacts = z.infer<typeof toolFactsSchema>;
