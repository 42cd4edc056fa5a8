/** The page of the predicate type: what an execution manifest says, field by field. */
import { PREDICATE_TYPE, predicateFields } from "../../core/manifest/index.ts";
import { markup, renderPage } from "./html.ts";

/** @param version of Writ, for the footer */
export function manifestPage(version: string): string {
  const rows = predicateFields().map(
    ({ path, type, required, meaning }) =>
      markup`<tr><td><code>${path}</code></td><td>${type}${required ? "" : "; optional"}</td><td>${meaning}</td></tr>`,
  );
  return renderPage(
    "The execution manifest",
    markup`<h1>The execution manifest</h1>
<p class="lead"><code>${PREDICATE_TYPE}</code></p>
<p>A manifest is a Sigstore bundle around a signed in-toto statement. Its subjects are the run's output, the component and
the policy, each by sha256; its predicate has these fields, and as <a href="/schemas/execution-manifest.json">JSON Schema</a>.</p>
<p>Members that a verifier does not know are passed over, so manifests of later versions still verify. Words that it does
not know are refused.</p>
<div class="table"><table>${rows}</table></div>`,
    version,
  );
}
