/**
 * Crash bars: what kill −9 at any moment and a disk that fails at any write leave of the evidence.
 *
 * Run: `node test/crash/main.ts [kills] [writes]`, or the same with Deno; ends with 1 when a bar is not met. The disk's
 * failures and the order of syncs are strace's; without strace it says so. 200 kills and 30 writes are all there are.
 */
import { spawnSync } from "node:child_process";
import { runtime } from "#runtime";
import { failing, syncing, WAYS } from "./disk.ts";
import { examine, listen, Released, start, withFolder } from "./processes.ts";

const AT_ONCE = 8;

/** Kills a process again and again, somewhere between its first moment and its hundredth run. */
async function killing(kills: number): Promise<readonly string[]> {
  return await withFolder(async (folder) => {
    const released = new Released();
    for (let kill = 0; kill < kills; kill++) {
      const child = start(folder, [String(AT_ONCE)]);
      let lines = 0;
      // A different moment each time: some while it reconciles, most in the middle of commits.
      const at = (kill * 13) % 60;
      const stop = () => child.kill("SIGKILL");
      // For one that hangs; how long it takes to begin is the machine's business.
      const timer = setTimeout(stop, 120_000);
      await listen(child, released, () => {
        if (lines++ === at) setTimeout(stop, (kill * 7) % 11);
      });
      clearTimeout(timer);
    }
    const faults = await examine(folder, released);
    runtime.print(`killed ${kills} times, ${released.size} runs released: ${faults.length} faults`);
    if (released.size < kills) return [...faults, "too few runs were released for this to mean anything"];
    return faults;
  });
}

const [kills = 200, writes = 30] = runtime.args.map(Number);
// Two at a time, each in its own folder: that is how many cores there are to count on.
const faults = (await Promise.all([killing(Math.ceil(kills / 2)), killing(Math.floor(kills / 2))])).flat();
if (spawnSync("strace", ["-o", "/dev/null", "true"]).status === 0) {
  faults.push(...(await syncing()));
  faults.push(...(await Promise.all(WAYS.map((way) => failing(way, writes)))).flat());
} else runtime.print("skipped: a failing disk and the order of syncs, which need strace and leave to trace");
for (const fault of faults.slice(0, 50)) runtime.print(`  ${fault}`);
if (faults.length > 0) runtime.setExitCode(1);
