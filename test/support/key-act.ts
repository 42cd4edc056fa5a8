/** What is to be signed of keys that tests issue by themselves: nobody signs it. */
import type { KeyAct } from "../../src/ports/index.ts";

let acts = 0;

/** @returns another act each time */
export function actOfTest(): KeyAct {
  const id = `act_${String(acts++).padStart(26, "0")}`;
  const none = `sha256:${"0".repeat(64)}`;
  return {
    ...{ id, kind: "issue-key", by: "test", atMs: 1, changes: ["a key"], before: none, after: none },
  };
}
