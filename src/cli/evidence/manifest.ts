/** `writ manifest`: what an execution manifest can say, for people and for programs that are not ours. */
import type { Command } from "commander";
import { type PredicateField, predicateFields, predicateSchema } from "../../core/manifest/index.ts";
import type { CommandContext } from "../context.ts";
import { alignColumns, printJson } from "../output.ts";

/** Adds the commands. */
export function addManifest(program: Command, { world }: CommandContext): void {
  const manifest = program.command("manifest").description("Explains what an execution manifest says");

  manifest
    .command("schema")
    .description("Prints the JSON Schema of the predicate that is signed")
    .option("--json", "print JSON (it always is)")
    .addHelpText("after", "\nExample:\n  writ manifest schema > execution-manifest.json")
    .action(() => printJson(world, predicateSchema()));

  manifest
    .command("fields")
    .description("Explains every field of the predicate")
    .option("--markdown", "print a page for a repository")
    .option("--json", "print JSON")
    .addHelpText("after", "\nExample:\n  writ manifest fields")
    .action((flags: { readonly markdown?: boolean; readonly json?: boolean }) => {
      const fields = predicateFields();
      if (flags.json) printJson(world, { fields });
      else if (flags.markdown) world.runtime.print(markdownPage(fields).trimEnd());
      else {
        const rows = fields.map(({ path, required, meaning }) => [path, required ? "" : "optional", meaning]);
        for (const line of alignColumns([["field", "", "meaning"], ...rows])) world.runtime.print(line);
      }
    });
}

/**
 * Every field as a page in Markdown.
 *
 * @param fields from `predicateFields`
 */
export function markdownPage(fields: readonly PredicateField[]): string {
  const rows = fields.map(
    ({ path, type, required, meaning }) =>
      `| \`${path}\` | ${type.replaceAll("|", "\\|")} | ${required ? "yes" : ""} | ${meaning.replaceAll("|", "\\|")} |`,
  );
  return `# The execution manifest, field by field

A manifest is a Sigstore bundle v0.3 around a DSSE envelope around an in-toto Statement v1. Its subjects are the run's
output, the component and the policy, each by sha256. Its predicate has the fields below;
[execution-manifest.json](execution-manifest.json) says the same as JSON Schema. Both are written by \`npm run build:schemas\`.

Inputs, outputs and fallback values are there as digests, requests as method, origin and path: no query, no header, no
body, no secret. A verifier passes over members that it does not know, so that manifests of later versions still
verify; it refuses words that it does not know (an outcome, a kind of grant), because it could not say what they mean.

| field | type | always | meaning |
|---|---|---|---|
${rows.join("\n")}
`;
}
