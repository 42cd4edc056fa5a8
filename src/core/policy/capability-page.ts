/** The capability table as a page: which clause of a policy unlocks which imports. Written from the table, never by hand. */
import { type Capability, capabilityOf } from "./capabilities.ts";

/**
 * The table in Markdown.
 *
 * @param rows {@link Capability} rows, as the table has them
 * @param offered interfaces that this host offers, with their versions, such as `wasi:io/poll@0.2.12`
 * @returns a page, ending in a line feed
 */
export function capabilityPage(rows: readonly Capability[], offered: readonly string[]): string {
  const lines = rows.map((row) => {
    const imports = row.interfaces.map((name) => `\`${name}\``).join("<br>");
    return `| ${row.word} | ${row.risk} | ${unlockedBy(row)} | ${imports} | ${row.sentence} | ${row.cost} |`;
  });
  return `# What a tool may reach

Each row is one capability: the word that decisions grant, what a reviewer should think of it (R0 pure to R5 files,
secrets in the open, or unknown), the clause of a policy that unlocks it, the imports it stands for, what it does and
what it costs beside the fuel of every call. An import in no row refuses the component that has it. Written from
\`src/core/policy/capabilities.ts\` by \`npm run build:schemas\`; a gateway serves the same as JSON at \`GET /capabilities\`.

WASI is offered as 0.2.12 and as 0.3.0, and taken in any patch of either. Drafts (\`wasi:config\`, \`wasi:keyvalue\`, \`wasi:logging\`)
are compatible with themselves alone. The second table has every interface with its versions.

| capability | risk | unlocked by | imports | what it does | cost |
|---|---|---|---|---|---|
${lines.join("\n")}

| interface | versions | capability |
|---|---|---|
${versionLines(offered).join("\n")}
`;
}

/** One line for each interface, in the order in which they are offered. */
function versionLines(offered: readonly string[]): readonly string[] {
  const versions = new Map<string, string[]>();
  for (const name of offered) {
    const [plain = "", version = ""] = name.split("@", 2);
    versions.set(plain, [...(versions.get(plain) ?? []), version]);
  }
  return [...versions].map(
    ([name, list]) => `| \`${name}\` | ${list.join(", ")} | ${capabilityOf(name)?.word ?? "-"} |`,
  );
}

/** What an operator writes to unlock it. */
export function unlockedBy(row: Capability): string {
  if (!row.served) return "nothing: every call is refused";
  if (row.word === "io") return "-";
  if (row.clause === null) return "every policy";
  return row.ambient ? `\`${row.clause}\`; empty without it` : `\`${row.clause}\``;
}
