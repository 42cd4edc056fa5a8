/** Journals of runs: written while they run, kept encrypted, erased, replayed from. */
export { createAnswerVault } from "./answer-vault.ts";
export { withCalls } from "./forward.ts";
export { createJournals, type Journals, journalHash, type KeptJournal } from "./journals.ts";
export { makeMasterKey } from "./master-key.ts";
export { createRecorder, type JournalBounds, type Recorder } from "./recorder.ts";
export { createReplayHost, type Divergence, type ReplayHost } from "./replay-host.ts";
export { rotateMasterKey } from "./rotate.ts";
