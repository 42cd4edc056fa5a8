/** Runs the small scripts beside it in processes of their own. */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { execPath } from "node:process";
import { promisify } from "node:util";

/** Runs a script of this folder on this runtime, and reads the JSON that it prints. */
export async function runScript<T>(script: string, ...args: readonly string[]): Promise<T> {
  const flags = "Deno" in globalThis ? ["run", "-A"] : ["--disable-warning=ExperimentalWarning"];
  const { stdout } = await promisify(execFile)(
    execPath,
    [...flags, join(import.meta.dirname, script), ...args],
    { maxBuffer: 2 ** 20 },
  );
  return JSON.parse(stdout);
}
