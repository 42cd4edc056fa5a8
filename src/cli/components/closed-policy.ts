/** The policy of `writ run` when none is named: one function, no network, no secrets, small budgets. */

/**
 * Writes it.
 *
 * @param tool name in the policy's form; see {@link toolNameOf}
 * @param key the one function that may be called
 * @param purpose the one purpose
 * @returns a policy as JSON; a `purpose` out of form makes a policy that is refused when it is read
 */
export function closedPolicy(tool: string, key: string, purpose: string): string {
  return JSON.stringify({
    tool_id: tool,
    tenant_tier: ["local"],
    purpose: [purpose],
    functions: { [key]: { operation: "read" } },
    network_allowlist: [],
    max_duration_ms: 10_000,
    budget: {
      fuel: 2e9,
      memory_bytes: "128MiB",
      egress_bytes: 0,
      requests: 0,
      output_bytes: "1MiB",
      log_bytes: "64KiB",
    },
  });
}

/** A tool's name made of a file's: `My_Tool.v2.wasm` is `my-tool-v2`. */
export function toolNameOf(path: string): string {
  const file = (path.split(/[\\/]/).at(-1) ?? "").replace(/(\.component)?\.wasm$/, "");
  const name = file
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^[-0-9]+|-+$/g, "")
    .slice(0, 60)
    .replace(/-+$/, "");
  return name === "" ? "component" : name;
}
