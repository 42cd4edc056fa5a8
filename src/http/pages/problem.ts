/** The page behind a problem's `type`: what it means, what its members say, what to do. */
import type { RefusalCode } from "../../core/errors.ts";
import { PROBLEMS } from "../problem-table.ts";
import { type Html, markup, renderPage } from "./html.ts";

/** Where the gateway is reached, and its version. */
interface About {
  readonly version: string;
  readonly baseUrl: string;
}

/**
 * An example of the problem document, as a caller would receive it.
 *
 * @param code which problem
 */
export function problemExample(code: RefusalCode, about: About): object {
  const row = PROBLEMS[code];
  return {
    type: `${about.baseUrl}/problems/${code}`,
    title: row.title,
    status: row.status,
    ...Object.fromEntries(row.members.map(({ name, example }) => [name, example])),
  };
}

/** The page's content as JSON, for a client that asks for that. */
export function problemDocument(code: RefusalCode, about: About): object {
  const { status, title, meaning, remedy, members, retryAfter } = PROBLEMS[code];
  return {
    code,
    status,
    title,
    meaning,
    remedy,
    retryAfter,
    members: members.map(({ name, meaning }) => ({ name, meaning })),
    example: problemExample(code, about),
  };
}

/** @param code which problem */
export function problemPage(code: RefusalCode, about: About): string {
  const row = PROBLEMS[code];
  return renderPage(
    row.title,
    markup`<h1>${row.title}</h1>
<p class="lead"><code>${code}</code> · status <span class="status">${row.status}</span>${row.retryAfter ? " · with Retry-After" : ""}</p>

<h2>What it means</h2>
<p>${row.meaning}</p>

<h2>What to do</h2>
<p>${row.remedy}</p>
${membersTable(code)}
<h2>Example</h2>
<pre><code>${JSON.stringify(problemExample(code, about), null, 2)}</code></pre>`,
    about.version,
  );
}

function membersTable(code: RefusalCode): Html {
  const { members } = PROBLEMS[code];
  if (members.length === 0) return markup``;
  return markup`
<h2>Members</h2>
<div class="table"><table>${members.map(({ name, meaning }) => markup`<tr><td><code>${name}</code></td><td>${meaning}</td></tr>`)}</table></div>
`;
}
