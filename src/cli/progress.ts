/** Progress of long work, on standard error, so that what is piped stays clean. */
import type { CliWorld } from "./world.ts";

/** Told how far it is, in entries. */
export type Progress = (done: number, of: number) => void;

/** Entries between two lines. */
const STEP = 10_000;

/** @param verb what is done to entries, such as `verified` */
export function sayProgress({ runtime }: CliWorld, verb: string): Progress {
  let said = 0;
  return (done, of) => {
    if (done - said < STEP) return;
    said = done;
    runtime.printError(`writ: ${verb} ${done} of ${of} entries`);
  };
}
