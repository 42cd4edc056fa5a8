/** The frame of every page, and the escaping that keeps text from becoming markup. No scripts, anywhere. */

/** HTML that is safe to put into a page as it is. */
export interface Html {
  readonly html: string;
}

/**
 * Template tag: every value is escaped unless it is {@link Html} itself; arrays are joined.
 *
 * @example
 * ```ts
 * markup`<p>${"a < b"}</p>`.html; // <p>a &lt; b</p>
 * ```
 */
export function markup(
  parts: TemplateStringsArray,
  ...values: readonly (string | number | Html | readonly Html[])[]
): Html {
  return { html: String.raw({ raw: parts }, ...values.map(toHtml)) };
}

function toHtml(value: string | number | Html | readonly Html[]): string {
  if (typeof value === "string") return escapeHtml(value);
  if (typeof value === "number") return String(value);
  return "html" in value ? value.html : value.map(({ html }) => html).join("");
}

function escapeHtml(text: string): string {
  const names: Readonly<Record<string, string>> = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    '"': "&quot;",
    "'": "&#39;",
  };
  return text.replace(/[&<>"']/g, (character) => names[character] ?? character);
}

/**
 * A whole page.
 *
 * @param title of the document; "Writ" is added
 * @param body what stands between header and footer
 * @param version shown in the footer
 */
export function renderPage(title: string, body: Html, version: string): string {
  return markup`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title} · Writ</title>
<link rel="icon" href="/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/style.css">
</head>
<body>
<header><a class="mark" href="/">Writ</a><nav><a href="/openapi.json">API</a><a href="/#problems">Problems</a><a href="/.well-known/jwks.json">Keys</a></nav></header>
<main>
${body}
</main>
<footer>Writ ${version}</footer>
</body>
</html>
`.html;
}
