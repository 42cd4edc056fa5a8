/** The shell that sets limits of memory, with a program in the place of `prlimit` that says what it was asked, or fails. */
import { chmod, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { createLimiter } from "../../src/runtime/memory-limit.ts";
import { temporaryFolder } from "../support/folder.ts";

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
beforeEach(async () => {
  folder = await temporaryFolder();
});
afterEach(() => folder.remove());

/** @param body lines of a shell's; it has no environment */
async function limiterOf(body: string) {
  const program = join(folder.path, "program");
  await writeFile(program, `#!/bin/sh\n${body}\n`);
  await chmod(program, 0o755);
  return createLimiter(program);
}

it("asks for one process and one soft limit in whole bytes, in order, and hears a status for each", async () => {
  const asked = join(folder.path, "asked");
  const limit = await limiterOf(`echo "$*" >> ${asked}; [ "$2" != 8 ]`);
  const settings = [7, 8, 9].map((pid) => limit(pid, 1000.5));
  expect(await Promise.all(settings)).toEqual([true, false, true]);
  expect(await readFile(asked, "utf8")).toBe(
    "--pid 7 --data=1001:\n--pid 8 --data=1001:\n--pid 9 --data=1001:\n",
  );
});

it("takes no word of the program's for a status", async () => {
  const limit = await limiterOf("echo 0; echo 0 >&2; exit 1");
  expect(await limit(7, 1)).toBe(false);
  expect(await limit(7, 1)).toBe(false);
});

it("has set nothing when its shell dies, and asks another one next", async () => {
  const once = join(folder.path, "once");
  const limit = await limiterOf(`[ -e ${once} ] || { : > ${once}; kill -9 $PPID; }`);
  expect(await Promise.all([limit(7, 1), limit(8, 1)])).toEqual([false, false]);
  expect(await limit(7, 1)).toBe(true);
});

it("sets nothing where there is no such program", async () => {
  expect(await createLimiter(join(folder.path, "nothing"))(7, 1)).toBe(false);
});
