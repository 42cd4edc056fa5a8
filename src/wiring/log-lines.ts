/** The gateway's own log: what it says while it runs, for whoever keeps it going. Nothing here is evidence. */
import type { LogLevel } from "../cli/index.ts";
import type { Runtime } from "../ports/index.ts";

/** How long lines of the log may wait for others. */
const LOG_GATHERS_MS = 20;

/**
 * One line of JSON for each event. Lines about trouble carry an `error`.
 *
 * Those of a moment leave together, after the answers they are about: a pipe is written to at once, and whoever reads it
 * is woken. A line that comes alone does not wait. A killed gateway may lose the lines of its last moment, none of which
 * is evidence.
 */
export function openLogLines(runtime: Runtime, level: LogLevel): (line: object) => void {
  if (level === "silent") return () => undefined;
  const waiting: string[] = [];
  let gathers = false;
  const flush = (): void => {
    gathers = waiting.length > 0;
    if (!gathers) return;
    runtime.print(waiting.splice(0).join("\n"));
    // Not forgotten when the process ends: it waits for this.
    setTimeout(flush, LOG_GATHERS_MS);
  };
  return (line) => {
    if (level === "error" && !("error" in line)) return;
    waiting.push(JSON.stringify(line));
    if (gathers) return;
    gathers = true;
    setImmediate(flush);
  };
}
