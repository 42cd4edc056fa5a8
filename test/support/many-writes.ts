/** An executor's host that writes much at once and waits for nothing, as it reads: see `executor-pipe.test.ts`. */
import { executorHost } from "#executor-runtime";

const writes: Promise<void>[] = [];
let frame = 0;
await executorHost.readInput((chunk) => {
  for (const _ of chunk) {
    writes.push(executorHost.write(new Uint8Array(frame % 3 === 0 ? 69_001 : 4_007).fill(frame)));
    frame += 1;
  }
});
await Promise.all(writes);
executorHost.exit(0);
