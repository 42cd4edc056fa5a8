/**
 * Runs a command line exactly as it stands. Deno's `node:child_process` adds `-A` to the arguments when the program is
 * Deno itself, which would open the cage: there it is Deno's own way.
 */
import { spawn } from "node:child_process";
import { readAll } from "../../src/runtime/common.ts";
import type { CommandLine } from "../../src/runtime/system-cage.ts";

/** What became of it. */
export interface CommandEnd {
  readonly code: number | null;
  readonly output: string;
  readonly diagnostics: string;
}

interface DenoCommand {
  output(): Promise<{ code: number; stdout: Uint8Array; stderr: Uint8Array }>;
}
interface DenoLike {
  readonly Command: new (program: string, options: object) => DenoCommand;
}

/** Without an environment, its standard input empty. */
export async function runCommand({ program, args }: CommandLine): Promise<CommandEnd> {
  const deno: DenoLike | undefined = Reflect.get(globalThis, "Deno");
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  if (deno !== undefined) {
    const options = { args, clearEnv: true, stdin: "null", stdout: "piped", stderr: "piped" };
    const { code, stdout, stderr } = await new deno.Command(program, options).output();
    return { code, output: text(stdout), diagnostics: text(stderr) };
  }
  const child = spawn(program, args, { env: {}, stdio: ["ignore", "pipe", "pipe"] });
  const [output, diagnostics, code] = await Promise.all([
    readAll(child.stdout),
    readAll(child.stderr),
    new Promise<number | null>((resolve) => child.once("close", resolve)),
  ]);
  return { code, output: text(output), diagnostics: text(diagnostics) };
}
