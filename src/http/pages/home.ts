/** The front page: what this is, and where to look next. The same for everybody, so it names no tool and no tenant. */
import { PROBLEMS, REFUSAL_CODES } from "../problem-table.ts";
import { type Html, markup, renderPage } from "./html.ts";

const DOCUMENTS: readonly (readonly [path: string, what: string])[] = [
  ["/openapi.json", "Every operation, as OpenAPI 3.1"],
  ["/schemas/policy.json", "JSON Schema of a policy"],
  ["/schemas/execution-manifest.json", "JSON Schema of what an execution manifest says"],
  ["/.well-known/jwks.json", "The public keys that verify manifests"],
  ["/trusted_root.json", "The key of the transparency log, as a Sigstore trusted root"],
  ["/checkpoint", "The log's newest checkpoint; its tiles are under /tile/"],
  ["/healthz", "Whether the process is alive"],
  ["/readyz", "Whether a run sent now would be served"],
];

/** @param about version, and the URL that strangers use */
export function homePage(about: { readonly version: string; readonly baseUrl: string }): string {
  return renderPage(
    "Tools under contract",
    markup`<h1>Every run under a policy. Every run signed.</h1>
<p class="lead">Writ runs agents’ tools as WebAssembly components. A policy, kept as data, says what a run may reach and spend; the host grants exactly that; what really happened is signed and can be verified by anyone, offline.</p>

<h2>Run a tool</h2>
<pre><code>curl ${about.baseUrl}/v1/tools/text/text/csv-to-json \\
  -H "Authorization: Bearer $WRIT_KEY" \\
  -H "Content-Type: application/json" \\
  -d '{ "purpose": "support-chat", "input": { … } }'</code></pre>
<p><code>GET /v1/tools</code> lists the tools that your key reaches, and <code>GET /v1/tools/{tool}</code> says what each function takes, what it gives, and what the component may touch.</p>

<h2>What happens to a request</h2>
<ol>
<li>The key says who asks; a decision is made from the policy, and names its clauses.</li>
<li>The intent is made durable. Until then nothing runs.</li>
<li>The component runs in a process without network, files, environment or keys. Each call it makes outside is checked, counted and noted.</li>
<li>Outcome, spending and events are sealed and signed. Only then does the answer leave: no evidence, no answer.</li>
</ol>

<h2>Documents</h2>
<div class="table"><table>${DOCUMENTS.map(([path, what]) => markup`<tr><td><a href="${path}">${path}</a></td><td>${what}</td></tr>`)}</table></div>

<h2 id="problems">Problems</h2>
<p>A request that is refused is answered with an RFC 9457 document. Its <code>type</code> leads to one of these pages.</p>
<div class="table"><table><tr><th>Code</th><th>Status</th><th>Means</th></tr>${REFUSAL_CODES.map(problemRow)}</table></div>`,
    about.version,
  );
}

function problemRow(code: (typeof REFUSAL_CODES)[number]): Html {
  const row = PROBLEMS[code];
  return markup`<tr><td><a href="/problems/${code}">${code}</a></td><td class="status">${row.status}</td><td>${row.title}</td></tr>`;
}
