/** A tools folder with the one tool that is prepared in no time, and the same again under a budget that runs share. */
import { cp, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { PROJECT } from "./gateway.ts";

/** Time to live of the tool's runs: what is asked of many gateways at once waits for long on a busy machine. */
export const PATIENT = "max_duration_ms: 60000";

/** Copies the hash tool into a folder, under a policy that gives its runs time. @returns the folder of tools */
export async function hashAlone(folder: string): Promise<string> {
  const tools = join(folder, "tools");
  await cp(join(PROJECT, ".writ", "tools", "hash"), join(tools, "hash"), { recursive: true });
  const policy = join(tools, "hash", "policy.yaml");
  await writeFile(policy, (await readFile(policy, "utf8")).replace("max_duration_ms: 1000", PATIENT));
  return tools;
}

const DAY_MS = 86_400_000;
/** More than what is counted by the day takes. */
const BEFORE_MIDNIGHT_MS = 90_000;

/**
 * Adds the hash tool as `limited`, under a policy that gives a tenant so many runs in a day. That day does not end soon:
 * shortly before midnight, by which windows begin, it is waited for.
 */
export async function addLimited(tools: string, runs: number): Promise<void> {
  const leftMs = DAY_MS - (Date.now() % DAY_MS);
  if (leftMs < BEFORE_MIDNIGHT_MS) await new Promise((resolve) => setTimeout(resolve, leftMs + 1_000));
  const [from, to] = [join(tools, "hash"), join(tools, "limited")];
  await cp(from, to, { recursive: true });
  const file = JSON.parse(await readFile(join(from, "tool.json"), "utf8"));
  await writeFile(join(to, "tool.json"), JSON.stringify({ ...file, name: "limited" }));
  const policy = (await readFile(join(from, "policy.yaml"), "utf8")).replace(
    "tool_id: hash",
    "tool_id: limited",
  );
  await writeFile(join(to, "policy.yaml"), `${policy}windows: [{ per: 1d, runs: ${runs} }]\n`);
}
