/** Once per test run: the sample tools are there. `npm test` builds them before; a bare `vitest` does it here. */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const TOOLS = ["hash", "links", "notes", "rogue", "text", "weather"];

/** vitest calls this before the first test file. */
export async function setup(): Promise<void> {
  if (TOOLS.every((name) => existsSync(join(root, ".writ", "tools", name, "tool.json")))) return;
  const { buildTools } = await import("../../src/toolchain/index.ts");
  await buildTools({ root, onProgress: (line: string) => process.stderr.write(`${line}\n`) });
}
