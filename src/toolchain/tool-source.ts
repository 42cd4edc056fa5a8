/** A tool's folder as its author writes it: `tool.yaml`, the source it names, `*.wit`, `policy.yaml`, `README.md`. */
import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { parseDocument } from "yaml";
import { z } from "zod";
import { type Fault, GatewayError } from "../core/errors.ts";
import { engineNames } from "./engines.ts";
import { composeWit, readWitPackage, type WitPackage } from "./wit-text.ts";

/** The form of `tool.yaml`. Unknown members are refused: a misspelt one would be silently without effect. */
export const toolYamlSchema = z.strictObject({
  /** The tool's name, as in its URL and in `tool_id` of its policy: lower-case words with dashes. */
  name: z
    .string()
    .regex(/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/)
    .max(64),
  /** One sentence for people and models who choose among tools. */
  description: z.string().min(1).max(500),
  /** What makes a component out of the source. */
  engine: z.enum(engineNames),
  /** The source's file name, in the same folder. One file: bundle first what has more. */
  source: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/),
  /** The world of the folder's WIT package that the component targets. */
  world: z.string().min(1),
});

/** A tool's folder, read and not yet built. */
export interface ToolSource extends z.infer<typeof toolYamlSchema> {
  readonly folder: string;
  /** The source's text. */
  readonly code: string;
  /** The text of the tool's own WIT package. */
  readonly ownWit: string;
  /** One WIT document with every package that the tool refers to. */
  readonly wit: string;
  /** The text of `policy.yaml`, or null when the folder has none. */
  readonly policy: string | null;
  /** sha256, in hexadecimal, of everything in the folder that the component is made of. */
  readonly inputDigest: string;
}

/**
 * Reads a tool's folder.
 *
 * @param library the WIT packages it may refer to, see `readWitLibrary`
 * @throws {GatewayError} `invalid-request` when `tool.yaml` is missing or not of its form, or the WIT is not one package
 */
export async function readToolSource(folder: string, library: readonly WitPackage[]): Promise<ToolSource> {
  const tool = parseToolYaml(folder, await readText(folder, "tool.yaml"));
  const own = await readWitPackage(folder);
  const wit = composeWit(own, library);
  const code = await readText(folder, tool.source);
  const inputDigest = createHash("sha256")
    .update(JSON.stringify([tool, wit, code]))
    .digest("hex");
  const policy = await readFile(join(folder, "policy.yaml"), "utf8").catch(() => null);
  return { ...tool, folder, code, ownWit: own.body, wit, policy, inputDigest };
}

/** Lists the folders directly under `tools/` that hold a `tool.yaml`, in the order of their names. */
export async function listToolFolders(root: string): Promise<string[]> {
  const tools = join(root, "tools");
  const entries = (await readdir(tools, { withFileTypes: true })).filter((entry) => entry.isDirectory());
  const folders = entries.map((entry) => join(tools, entry.name)).sort();
  const marked = await Promise.all(
    folders.map(async (folder) => (await readdir(folder)).includes("tool.yaml")),
  );
  return folders.filter((_, index) => marked[index]);
}

function parseToolYaml(folder: string, text: string): z.infer<typeof toolYamlSchema> {
  const document = parseDocument(text, { uniqueKeys: true });
  const parsed = toolYamlSchema.safeParse(document.errors.length > 0 ? null : document.toJS());
  if (parsed.success) {
    return parsed.data;
  }
  const faults: Fault[] =
    document.errors.length > 0
      ? document.errors.map((error) => ({ pointer: "", detail: error.message }))
      : parsed.error.issues.map((issue) => ({
          pointer: issue.path.map((part) => `/${String(part)}`).join(""),
          detail: issue.message,
        }));
  const reasons = faults.map(({ pointer, detail }) => `${pointer} ${detail}`.trim()).join("; ");
  throw new GatewayError(`Cannot read "${join(folder, "tool.yaml")}": ${reasons}`, {
    code: "invalid-request",
    errors: faults,
  });
}

async function readText(folder: string, name: string): Promise<string> {
  try {
    return await readFile(join(folder, name), "utf8");
  } catch (cause) {
    throw new GatewayError(
      `Cannot read the tool in "${folder}": "${name}" is not there`,
      {
        code: "invalid-request",
        errors: [{ pointer: "", detail: `"${name}" is missing from the tool's folder` }],
      },
      { cause },
    );
  }
}
