/** Files and standard input that the operator names. Their content is hostile all the same: vendors and callers made it. */
import { UsageError } from "./usage-error.ts";
import type { CliWorld } from "./world.ts";

/** How the operator names standard input. */
export const STDIN = "-";

/**
 * Reads a file that has to be there.
 *
 * @param path `-` = standard input
 * @param what it is wanted as, for the message: `component`, `policy`
 * @throws {UsageError} when it is missing, a folder, or can not be read
 */
export async function readInput(
  world: Pick<CliWorld, "runtime" | "readStdin">,
  path: string,
  what: string,
): Promise<Uint8Array<ArrayBuffer>> {
  if (path === STDIN) return await world.readStdin();
  const bytes = await readOptionalFile(world, path);
  if (bytes === undefined) {
    throw new UsageError(`Cannot read ${what} ${JSON.stringify(path)}: there is no such file`);
  }
  return bytes;
}

/** Reads a file that may be missing. @throws {UsageError} when it is there and can not be read */
export async function readOptionalFile(
  { runtime }: Pick<CliWorld, "runtime">,
  path: string,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  try {
    return await runtime.files.read(path);
  } catch (error) {
    throw new UsageError(`Cannot read ${JSON.stringify(path)}: ${describeReadFailure(error)}`);
  }
}

/** @throws {UsageError} when the bytes are not UTF-8 */
export function decodeText(bytes: Uint8Array, path: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new UsageError(`Cannot read ${JSON.stringify(path)}: it is not text in UTF-8`);
  }
}

function describeReadFailure(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = "code" in error ? error.code : undefined;
  if (code === "EISDIR") return "it is a folder, wanted a file";
  if (code === "EACCES" || code === "EPERM") return "permission denied";
  return error.message;
}
