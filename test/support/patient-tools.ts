/**
 * The sample tools under policies that give their runs more time: what is tested is what a run does, and never how busy
 * the machine is that it does it on. The policies that they come with are those of a gateway that has a machine.
 */
import { cp, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";

/** Name of the variable that the set-up of a run tells its test files the folder by. */
export const TOOLS_VARIABLE = "WRIT_TEST_TOOLS";

const LONG_MS = 60_000;
/** Of the tool that waits for ever, among other things. */
const ROGUE_MS = 15_000;

/** The folder; undefined where nobody has made one, as in a program by itself. */
export function patientTools(): string | undefined {
  return process.env[TOOLS_VARIABLE];
}

/** Copies built tools, and gives them time. @throws {Error} when a policy does not say how long its runs may take */
export async function copyPatiently(from: string, to: string): Promise<void> {
  await cp(from, to, { recursive: true });
  for (const name of await readdir(to)) {
    const file = join(to, name, "policy.yaml");
    const text = await readFile(file, "utf8");
    const ms = name === "rogue" ? ROGUE_MS : LONG_MS;
    const patient = text.replace(/^max_duration_ms: \d+$/m, `max_duration_ms: ${ms}`);
    if (patient === text) throw new Error(`Cannot give ${name} time: its policy has no max_duration_ms`);
    await writeFile(file, patient);
  }
}
