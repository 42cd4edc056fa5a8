/** What is kept of a run as its policy's `evidence` says: begun before it, finished and kept after it. */
import { toHex } from "../core/digest.ts";
import type { JournaledSettings, JournalHead } from "../core/journal/index.ts";
import { COST_TABLE_VERSION } from "../core/metering/host/index.ts";
import type { PolicyRecord } from "../core/policy/index.ts";
import { createRecorder, type Journals, journalHash } from "../journal/index.ts";
import type { Entropy, RunHost, SandboxEnd, SandboxRun } from "../ports/index.ts";
import type { Admission } from "./predicate.ts";

/** A run whose policy may or may not ask to keep something of it. */
export interface JournaledRun {
  /** The host to run the guest with. */
  readonly host: RunHost;
  /** Goes along with the run. */
  readonly inputs?: NonNullable<SandboxRun["inputs"]>;
  /** @returns how the run ended, which is another way when its journal would be over its bound */
  finish(end: SandboxEnd): FinishedJournal;
}

/** A journal that is whole, and not yet kept. */
export interface FinishedJournal {
  readonly end: SandboxEnd;
  /** For the manifest: undefined when nothing was asked for, null when there was no room. */
  readonly hash: string | null | undefined;
  /** Keeps it; durable when it resolves. */
  keep(): Promise<void>;
}

const NOTHING = async () => undefined;

/**
 * Begins what the policy asks for.
 *
 * @param settings what the guest is given to read
 * @param host the broker's side of the run
 */
export function beginJournal(
  parts: { readonly journals: Journals; readonly entropy: Entropy },
  admission: Admission,
  { policy, policyId }: PolicyRecord,
  settings: JournaledSettings,
  host: RunHost,
): JournaledRun {
  const { evidence } = policy;
  if (evidence === undefined) return { host, finish: (end) => ({ end, hash: undefined, keep: NOTHING }) };
  const { run, principal, tool, callee, request, traceId } = admission;
  const full = evidence.journal === "full";
  const head: JournalHead = {
    kind: full ? "full" : "kept",
    run,
    tenant: principal.tenant,
    tool: tool.name,
    function: callee.key,
    purpose: request.purpose,
    traceId,
    artifactHash: tool.digest,
    policyId,
    costTable: COST_TABLE_VERSION,
    limits: {
      fuel: policy.budget.fuel,
      memoryBytes: policy.budget.memory_bytes,
      outputBytes: policy.budget.output_bytes,
    },
    ...(full ? { settings } : {}),
    salt: toHex(parts.entropy.bytes(16)),
    ...(evidence.keep.includes("input") ? { input: request.input } : {}),
  };
  const bounds = {
    bytes: evidence.journal_bytes,
    over: evidence.journal_over,
    output: evidence.keep.includes("output"),
  };
  const recorder = createRecorder(head, bounds, host);
  return {
    host: recorder.host,
    ...(full ? { inputs: { kind: "note" } } : {}),
    finish(ended) {
      const { text, end } = recorder.finish(ended);
      if (text === undefined) return { end, hash: null, keep: NOTHING };
      const kept = { run, tenant: principal.tenant, text, retentionDays: evidence.retention_days };
      return { end, hash: journalHash(text), keep: () => parts.journals.keep(kept) };
    },
  };
}
