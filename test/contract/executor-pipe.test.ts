/** What an executor writes without waiting arrives in order, however large it is and however slowly it is read. */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { runtime } from "#runtime";

const PROGRAM = fileURLToPath(new URL("../support/many-writes.ts", import.meta.url));
const ARGUMENTS = runtime.name === "deno" ? ["run", "--allow-all", PROGRAM] : [PROGRAM];

/** As many as there are bytes to tell them apart. */
const FRAMES = 250;

it("an executor's writes stand behind one another", async () => {
  let asked = 0;
  const child = spawn(process.execPath, ARGUMENTS, { stdio: ["pipe", "pipe", "inherit"] });
  child.stdin.write(new Uint8Array(2));
  asked = 2;
  /** Runs of one byte, in order: what is whole is one of them. */
  const seen: [byte: number, times: number][] = [];
  for await (const chunk of child.stdout) {
    for (const byte of chunk as Uint8Array) {
      const last = seen.at(-1);
      if (last?.[0] === byte) last[1] += 1;
      else seen.push([byte, 1]);
    }
    // Others are asked for while those are on their way.
    for (let more = 0; more < 2 && asked < FRAMES; more += 1, asked += 1)
      child.stdin.write(new Uint8Array(1));
    if (asked === FRAMES) child.stdin.end();
  }
  expect(seen).toEqual(
    Array.from({ length: FRAMES }, (_, frame) => [frame, frame % 3 === 0 ? 69_001 : 4_007]),
  );
}, 60_000);
