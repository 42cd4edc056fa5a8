/**
 * Two processes that wake each other, on one core or on two. Which of them a system chooses by itself is chance, and on a
 * machine whose cores sleep it is most of what a question and its answer take. Linux with `taskset` of util-linux;
 * elsewhere nothing is placed.
 */
import { execFile } from "node:child_process";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Where two processes run; `anywhere`: as the system places them. */
export const PLACEMENTS = ["anywhere", "one core", "two cores"] as const;
/** One of {@link PLACEMENTS}. */
export type Placement = (typeof PLACEMENTS)[number];

/**
 * Places the main threads of two processes.
 *
 * @returns whether they are there: not where there is one core, or no `taskset`
 */
export async function place(placement: Placement, here: number, there: number): Promise<boolean> {
  const cores = { anywhere: ["0-4095", "0-4095"], "one core": ["0", "0"], "two cores": ["0", "1"] }[
    placement
  ];
  try {
    await run("taskset", ["-cp", cores[0] ?? "", String(here)]);
    await run("taskset", ["-cp", cores[1] ?? "", String(there)]);
    return true;
  } catch {
    return false;
  }
}
