/**
 * A tool as a version: what it is made of, in a form that can be kept and made a tool of again, by this gateway or by
 * another one that never saw its folder.
 */
import type { ComponentDescription } from "../core/component/index.ts";
import { canonicalJson, sha256Hex } from "../core/digest.ts";
import { type JsonValue, type PolicyRecord, readPolicy } from "../core/policy/index.ts";
import type { ToolVersion } from "../ports/index.ts";
import { assembleTool } from "./assemble.ts";
import { admitComponent, inspectComponent } from "./intake.ts";
import type { Tool } from "./registry.ts";

/** What is kept beside the component. */
interface VersionDocument {
  readonly description: string;
  /** Descriptions by function key. */
  readonly functions: Readonly<Record<string, string>>;
  /** Canonical JSON of each policy, in the order of their ids. */
  readonly policies: readonly { readonly source: string; readonly text: string }[];
}

/**
 * Describes a tool as a version.
 *
 * @returns `digest` is over the component's digest and the policies' ids: words about the tool change nothing
 */
export function describeVersion(
  tool: Tool,
  seenAtMs: number,
): Omit<ToolVersion, "number"> & { readonly policyIds: readonly string[] } {
  const policies = tool.policies.toSorted((a, b) => (a.policyId < b.policyId ? -1 : 1));
  const policyIds = policies.map(({ policyId }) => policyId);
  const document: VersionDocument = {
    description: tool.description,
    functions: Object.fromEntries(tool.functions.map(({ key, description }) => [key, description])),
    policies: policies.map(({ policy, source }) => ({ source, text: textOf(policy) })),
  };
  return {
    tool: tool.name,
    digest: `sha256:${sha256Hex(canonicalJson({ component: tool.digest, policies: policyIds }))}`,
    component: tool.digest,
    document: JSON.stringify(document),
    seenAtMs,
    policyIds,
  };
}

/** Ids of a version's policies. */
export function policyIdsOf(version: Pick<ToolVersion, "document">): readonly string[] {
  return policyTextsOf(version).map(({ policyId }) => policyId);
}

/** Policies of a version, as the canonical JSON that their ids are the digests of. */
export function policyTextsOf({
  document,
}: Pick<ToolVersion, "document">): readonly { readonly policyId: string; readonly text: string }[] {
  return readDocument(document).policies.map(({ text }) => ({ policyId: `sha256:${sha256Hex(text)}`, text }));
}

/**
 * Makes a tool of a version again. Everything is checked as if it were new: a gateway of a later Writ may offer less, or
 * demand more of a policy.
 *
 * @throws {GatewayError} `component-refused`
 * @throws {PolicyError} when this Writ does not read one of its policies
 * @throws {Error} when what was kept is not what the version says
 */
export async function restoreTool(
  version: ToolVersion,
  bytes: Uint8Array<ArrayBuffer>,
  offer: ComponentDescription,
): Promise<Tool> {
  const { description, functions, policies } = readDocument(version.document);
  const intake = await inspectComponent(bytes, offer);
  const file = {
    name: version.tool,
    description,
    digest: `sha256:${intake.digest}`,
    functions: new Map(Object.entries(functions)),
  };
  const records = policies.map(({ source, text }): PolicyRecord => ({ ...readPolicy(text, source), source }));
  const tool = assembleTool(file, intake, admitComponent(intake, bytes), records);
  const { digest } = describeVersion(tool, version.seenAtMs);
  if (digest === version.digest) return tool;
  throw new Error(
    `Cannot restore version ${version.number} of "${version.tool}": it is ${digest}, wanted ${version.digest}`,
  );
}

function readDocument(text: string): VersionDocument {
  // Written by `describeVersion` and nobody else.
  return JSON.parse(text);
}

function textOf(policy: PolicyRecord["policy"]): string {
  // Parsed from JSON, and exactly what its id is the digest of.
  return canonicalJson(policy as unknown as JsonValue);
}
