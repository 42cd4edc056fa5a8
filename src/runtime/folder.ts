/**
 * Reads a whole folder, in one pass, without following a link anywhere. What was read is all that anybody sees of it
 * afterwards, so nothing that is changed meanwhile leads out of it.
 */
import { constants } from "node:fs";
import { type FileHandle, lstat, open, readdir } from "node:fs/promises";
import type { FolderEntry } from "../ports/index.ts";

const { O_RDONLY, O_NOFOLLOW, O_DIRECTORY, O_NONBLOCK } = constants;

/**
 * @param path of the folder; that itself may be a link, since the operator named it
 * @param limits beyond which the folder is refused
 * @returns files and folders below it, a folder before what is in it, names sorted
 * @throws {Error} for a link, a device, a pipe or a socket; and beyond the limits
 */
export async function readFolder(
  path: string,
  limits: { readonly entries: number; readonly bytes: number },
): Promise<readonly FolderEntry[]> {
  const found: FolderEntry[] = [];
  let bytes = 0;

  async function walk(folder: FileHandle, real: string, prefix: string): Promise<void> {
    // On Linux a name below an open folder is reached through that folder and not through its path: nobody can swap
    // a folder on the way for a link. Elsewhere the check before and after each open is what there is.
    const base = process.platform === "linux" ? `/proc/self/fd/${folder.fd}` : real;
    for (const name of (await readdir(base)).sort()) {
      const relative = `${prefix}${name}`;
      if (found.length >= limits.entries) throw refuse(path, `it has more than ${limits.entries} entries`);
      const info = await lstat(`${base}/${name}`);
      if (info.isDirectory()) {
        found.push({ path: relative, kind: "folder", modifiedAtMs: Math.floor(info.mtimeMs) });
        await within(`${base}/${name}`, O_DIRECTORY, (inner) =>
          walk(inner, `${real}/${name}`, `${relative}/`),
        );
        continue;
      }
      if (!info.isFile()) throw refuse(path, `"${relative}" is neither a file nor a folder`);
      // O_NONBLOCK: a pipe that took the file's place must not keep us waiting.
      await within(`${base}/${name}`, O_NONBLOCK, async (file) => {
        const opened = await file.stat();
        if (!opened.isFile() || opened.ino !== info.ino)
          throw refuse(path, `"${relative}" was changed meanwhile`);
        bytes += opened.size;
        if (bytes > limits.bytes) throw refuse(path, `it has more than ${limits.bytes} bytes`);
        const content = new Uint8Array(await file.readFile());
        // It may have grown after it was asked for its size.
        bytes += content.length - opened.size;
        if (bytes > limits.bytes) throw refuse(path, `it has more than ${limits.bytes} bytes`);
        const modifiedAtMs = Math.floor(opened.mtimeMs);
        found.push({ path: relative, kind: "file", bytes: content, modifiedAtMs });
      });
    }
  }

  const folder = await open(path, O_RDONLY | O_DIRECTORY);
  try {
    await walk(folder, path, "");
  } finally {
    await folder.close();
  }
  return found;
}

async function within(path: string, flag: number, use: (handle: FileHandle) => Promise<void>): Promise<void> {
  const handle = await open(path, O_RDONLY | O_NOFOLLOW | flag);
  try {
    await use(handle);
  } finally {
    await handle.close();
  }
}

function refuse(path: string, why: string): Error {
  return new Error(`Cannot mount folder "${path}": ${why}`);
}
