/**
 * Draws a tree of call paths as an SVG that stands alone: the caller above, its callees below it, each as wide as the
 * fuel it spent with everything below. There is no script in it; hover for the numbers. Names are attacker-controlled.
 */
import type { PathFrame } from "./fuel-profile.ts";

const WIDTH = 1400;
const MARGIN = 12;
const ROW = 17;
const HEAD = 46;
/** Narrower frames are not drawn: they can not be seen, and there may be a hundred thousand. */
const NARROWEST = 0.4;
/** Of a letter in the frames' font, on average. */
const LETTER = 6.3;
const DEEPEST = 200;

/**
 * @param title what was profiled
 * @returns the text of an SVG document
 */
export function drawFlameGraph(tree: PathFrame, title: string): string {
  const frames: string[] = [];
  let deepest = 0;
  const scale = (WIDTH - 2 * MARGIN) / Math.max(1, tree.total);
  const draw = (frame: PathFrame, at: number, depth: number): void => {
    const width = frame.total * scale;
    if (width < NARROWEST || depth > DEEPEST) return;
    deepest = Math.max(deepest, depth);
    frames.push(drawFrame(frame, tree.total, MARGIN + at * scale, depth, width));
    // Its own fuel is what is left to the right of its callees.
    let next = at;
    for (const callee of frame.callees) {
      draw(callee, next, depth + 1);
      next += callee.total;
    }
  };
  draw(tree, 0, 0);
  const height = HEAD + (deepest + 1) * ROW + MARGIN;
  return `<?xml version="1.0" encoding="UTF-8"?>
<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" font-family="Verdana, DejaVu Sans, sans-serif" font-size="11">
<style>g:hover rect { stroke: #222; } text { pointer-events: none; fill: #1a1a1a; }</style>
<rect width="100%" height="100%" fill="#fcfcfa"/>
<text x="${MARGIN}" y="20" font-size="15" font-weight="bold">${escapeXml(title)}</text>
<text x="${MARGIN}" y="36">${formatUnits(tree.total)} units of fuel; a frame is as wide as what it and its callees spent; imports are blue</text>
${frames.join("\n")}
</svg>
`;
}

function drawFrame(frame: PathFrame, all: number, x: number, depth: number, width: number): string {
  const { name, own, total, calls } = frame;
  const share = ((total / Math.max(1, all)) * 100).toFixed(2);
  const title = `${name}: ${formatUnits(total)} units (${share} %), ${formatUnits(own)} of its own, entered ${formatUnits(calls)} times`;
  const y = HEAD + depth * ROW;
  const letters = Math.floor((width - 6) / LETTER);
  const label = letters < 3 ? "" : name.length <= letters ? name : `${name.slice(0, letters - 1)}…`;
  const text = label === "" ? "" : `<text x="${(x + 3).toFixed(1)}" y="${y + 12}">${escapeXml(label)}</text>`;
  return `<g><title>${escapeXml(title)}</title><rect x="${x.toFixed(1)}" y="${y}" width="${Math.max(0.3, width - 0.3).toFixed(1)}" height="${ROW - 1}" rx="1" fill="${colourOf(name)}"/>${text}</g>`;
}

/** Warm colours by name, so that a function has the same one everywhere; blue for imports, which have two names. */
function colourOf(name: string): string {
  let hash = 0;
  for (const letter of name) hash = (Math.imul(hash, 31) + (letter.codePointAt(0) ?? 0)) | 0;
  const spread = (hash >>> 0) % 1000;
  if (name.startsWith("[") || name === "all") return "#d8d6cf";
  if (/^[^ ]*[:/][^ ]* /.test(name)) return `hsl(${205 + (spread % 20)} 60% ${72 + (spread % 8)}%)`;
  return `hsl(${20 + (spread % 32)} 85% ${64 + (spread % 12)}%)`;
}

/** `1,234,567`. */
export function formatUnits(units: number): string {
  return units.toLocaleString("en-US");
}

function escapeXml(text: string): string {
  return text
    .replace(/[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu, "\uFFFD")
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}
