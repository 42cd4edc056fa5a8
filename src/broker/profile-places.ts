/** Where the files are that a profiles file names, and who may read them. */

/**
 * @param source the profiles file
 * @param name as it stands there
 * @returns the same when it is absolute; else it begins in that file's folder
 */
export function fileBeside(source: string, name: string): string {
  return name.startsWith("/") ? name : source.slice(0, source.lastIndexOf("/") + 1) + name;
}

/** Whether others than its owner can read a file. */
export function isShared(mode: number | undefined): boolean {
  return mode !== undefined && (mode & 0o077) !== 0;
}
