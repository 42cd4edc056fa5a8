/**
 * What a credential may do at all, before any policy is asked. One list: routes, keys, tokens and the decision take
 * their words from here.
 */

/** A scope by itself. */
export type ScopeName = "invoke" | "evidence" | "keys" | "operate" | "approve";

/** What a credential carries: a scope, or `invoke:` and a tool's name for that tool alone. */
export type Scope = ScopeName | `invoke:${string}`;

/** Every scope, in the order in which they are shown. */
export const SCOPES: readonly { readonly name: ScopeName; readonly means: string }[] = [
  { name: "invoke", means: "run tools, as far as policies allow; invoke:<tool> = that tool alone" },
  { name: "evidence", means: "read runs and manifests of one's own tenant" },
  {
    name: "keys",
    means: "issue, list and revoke keys of one's own tenant, with no more than one has oneself",
  },
  { name: "operate", means: "manage the gateway: reload, versions, figures of every tenant" },
  { name: "approve", means: "approve tools and changes that widen what they reach" },
];

/** Every scope's name. */
export const SCOPE_NAMES: readonly ScopeName[] = SCOPES.map(({ name }) => name);

const OF_ONE_TOOL = /^invoke:[a-z][a-z0-9-]{0,62}$/;

/** @param text of a key at rest, a claim or a flag; hostile. Words that this version does not know are no scopes */
export function isScope(text: string): text is Scope {
  return OF_ONE_TOOL.test(text) || SCOPE_NAMES.some((name) => name === text);
}

/** @returns whether the credential may run that tool, if a policy allows it */
export function mayInvoke(scopes: readonly Scope[], tool: string): boolean {
  return scopes.includes("invoke") || scopes.includes(`invoke:${tool}`);
}

/** @returns whether the credential has the scope; of `invoke`, for one tool at least */
export function hasScope(scopes: readonly Scope[], name: ScopeName): boolean {
  return scopes.includes(name) || (name === "invoke" && scopes.some((scope) => scope.startsWith("invoke:")));
}
