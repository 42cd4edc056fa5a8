/** The pages' style sheet and icon. System fonts, two colour schemes, nothing fetched from elsewhere. */

/** Served as `/style.css`. */
export const STYLE = `:root {
  --paper: #fbfaf7; --ink: #1d1c1a; --soft: #6b675f; --line: #e2ded5; --seal: #9c2f22; --code: #f3f0e9;
}
@media (prefers-color-scheme: dark) {
  :root { --paper: #171614; --ink: #ebe7de; --soft: #a09a8e; --line: #33302b; --seal: #e8836f; --code: #211f1c; }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0 auto; padding: 0 1.5rem; max-width: 46rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.6 system-ui, -apple-system, "Segoe UI", sans-serif;
}
header {
  display: flex; justify-content: space-between; align-items: baseline; padding: 1.5rem 0 1rem;
  border-bottom: 1px solid var(--line);
}
nav a { margin-left: 1.25rem; color: var(--soft); text-decoration: none; }
nav a:hover, nav a:focus-visible { color: var(--seal); }
.mark, h1, h2 { font-family: Charter, "Bitstream Charter", "Iowan Old Style", Georgia, serif; }
.mark { font-size: 1.25rem; font-weight: 600; color: var(--seal); text-decoration: none; }
h1 { margin: 3rem 0 1rem; font-size: clamp(1.9rem, 6vw, 2.75rem); line-height: 1.15; font-weight: 600; text-wrap: balance; }
h2 { margin: 3rem 0 0.75rem; font-size: 1.3rem; font-weight: 600; }
p { margin: 0 0 1rem; max-width: 40rem; }
.lead { font-size: 1.15rem; color: var(--soft); }
a { color: var(--seal); text-underline-offset: 0.2em; }
code, pre { font: 0.9em/1.55 ui-monospace, "SF Mono", Menlo, Consolas, monospace; }
code { padding: 0.1em 0.3em; border-radius: 4px; background: var(--code); }
pre { margin: 0 0 1rem; padding: 1rem 1.15rem; overflow-x: auto; border: 1px solid var(--line); border-radius: 8px; background: var(--code); }
pre code { padding: 0; background: none; }
ol { margin: 0 0 1rem; padding-left: 1.4rem; }
li { margin-bottom: 0.35rem; }
.table { overflow-x: auto; }
table { width: 100%; border-collapse: collapse; }
th, td { padding: 0.55rem 1rem 0.55rem 0; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
th { color: var(--soft); font-size: 0.85rem; font-weight: 500; }
td:first-child { white-space: nowrap; }
.status { color: var(--seal); font-variant-numeric: tabular-nums; font-weight: 600; }
footer { margin: 4rem 0 2rem; padding-top: 1rem; border-top: 1px solid var(--line); color: var(--soft); font-size: 0.9rem; }
`;

/** Served as `/icon.svg`: a wax seal. */
export const ICON = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><circle cx="16" cy="16" r="14" fill="#9c2f22"/><circle cx="16" cy="16" r="10.5" fill="none" stroke="#fbfaf7" stroke-opacity=".55"/><path d="M9.5 12l3 9 3.5-8 3.5 8 3-9" fill="none" stroke="#fbfaf7" stroke-width="2" stroke-linecap="round" stroke-linejoin="round"/></svg>
`;
