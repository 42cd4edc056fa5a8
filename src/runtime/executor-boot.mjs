/**
 * Where an executor begins: it takes its program out of the pipe and becomes it. Plain JavaScript, because that is what it
 * is for: to find, read and strip some two hundred files takes each process that starts longer than all the rest.
 *
 * The program comes from the gateway (`executor-program.ts`), which is trusted; a guest has not begun. Each module keeps
 * the address of its source, so lines in a trace are those of the file. The runtime's own loader makes the modules, and
 * what is not in the program it loads, or refuses, as ever.
 */
import { Buffer } from "node:buffer";
import { readSync } from "node:fs";
import { registerHooks } from "node:module";

const SOURCES = new URL("../", import.meta.url).href;
const LENGTH_BYTES = 4;

/** @type {{ modules: Record<string, string>, aliases: Record<string, string> }} */
const { modules, aliases } = JSON.parse(
  readExactly(readExactly(LENGTH_BYTES).readUInt32BE()).toString("utf8"),
);
const sources = new Map(Object.entries(modules).map(([path, source]) => [SOURCES + path, source]));

registerHooks({
  resolve(specifier, context, next) {
    const alias = aliases[specifier];
    const isOurs = specifier.startsWith(".") || specifier.startsWith(SOURCES);
    if (alias === undefined && !isOurs) return next(specifier, context);
    const url = alias === undefined ? new URL(specifier, context.parentURL).href : SOURCES + alias;
    return sources.has(url) ? { url, format: "module", shortCircuit: true } : next(specifier, context);
  },
  load(url, context, next) {
    const source = sources.get(url);
    return source === undefined ? next(url, context) : { format: "module", source, shortCircuit: true };
  },
});

await import(`${SOURCES}executor.ts`);

/** What comes next in the pipe. Nothing else reads it yet, so it may be waited for standing still. */
function readExactly(length) {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at < length; ) {
    const read = readSync(0, bytes, at, length - at, null);
    if (read === 0) throw new Error("Cannot start an executor: its program ended early");
    at += read;
  }
  return bytes;
}
