/** Journals of runs: their form, and their text. Pure; keeping and replaying them is other rooms' work. */
export { isCut, traceOf } from "./cut.ts";
export { JournalError, readJournal } from "./read.ts";
export type {
  InputTrace,
  Journal,
  JournalEnd,
  JournaledCall,
  JournaledReply,
  JournaledSettings,
  JournalHead,
  RunInputs,
} from "./types.ts";
export { writeCall, writeEnd, writeHead, writeReply } from "./write.ts";
