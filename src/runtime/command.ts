/** Runs a program that the operator named: the one place where the gateway starts something that is not its own. */
import { execFile } from "node:child_process";

/**
 * @param command program and arguments; no shell reads them
 * @returns its standard output
 * @throws when it fails, takes longer than 10 s, or says more than 64 KiB
 */
export function runCommand([program = "", ...args]: readonly string[]): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const options = {
      timeout: 10_000,
      killSignal: "SIGKILL",
      maxBuffer: 64 * 1024,
      encoding: "buffer",
    } as const;
    execFile(program, args, options, (error, output) => {
      if (error === null) resolve(new Uint8Array(output));
      else reject(error);
    });
  });
}
