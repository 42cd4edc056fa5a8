/** What a process on Node was given open by whoever started its parent, and is to have nothing to do with. */
import { closeSync, fstatSync, type Stats } from "node:fs";

/** More descriptors than this no executor has where the system keeps it. */
const MOST_DESCRIPTORS = 256;
/** Major 1, minor 3. */
const DEV_NULL = 0x103;

/**
 * Closes what came down from whoever started the gateway: a log, a lock, a socket. By its number the code of this process
 * could read and write it, and no permission is asked. What Node has opened by now are pipes, of which it has both ends,
 * and what is no file at all. Deno's JavaScript has no numbers of descriptors that it did not open.
 */
export function closeInherited(): void {
  const open = new Map<number, Stats>();
  for (let fd = 3; fd < MOST_DESCRIPTORS; fd += 1) {
    try {
      open.set(fd, fstatSync(fd));
    } catch {
      // There is none.
    }
  }
  const ends = [...open.values()].map(({ dev, ino }) => `${dev} ${ino}`);
  for (const [fd, stats] of open) {
    const isWhole = stats.isFIFO() && ends.filter((end) => end === `${stats.dev} ${stats.ino}`).length === 2;
    const isFile = stats.isFile() || stats.isDirectory() || stats.isSocket() || stats.isBlockDevice();
    const isDevice = stats.isCharacterDevice() && stats.rdev !== DEV_NULL;
    if (isFile || isDevice || (stats.isFIFO() && !isWhole)) closeSync(fd);
  }
}
