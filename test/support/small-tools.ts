/** A tools folder with the one tool that is prepared in no time. */
import { cp } from "node:fs/promises";
import { join } from "node:path";
import { PROJECT } from "./gateway.ts";

/** Copies the hash tool into a folder. @returns the folder of tools */
export async function hashAlone(folder: string): Promise<string> {
  const tools = join(folder, "tools");
  await cp(join(PROJECT, ".writ", "tools", "hash"), join(tools, "hash"), { recursive: true });
  return tools;
}
