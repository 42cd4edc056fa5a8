/**
 * Verifies a manifest, alone or inside a whole answer `{ run, outcome, output, manifest, receipt }`.
 *
 * Nothing of an answer but its manifest is signed. So each other member is compared with what the manifest says, or
 * whoever carried the answer could put another output beside an honest manifest.
 */
import { z } from "zod";
import { canonicalJson, sha256Hex } from "../../core/digest.ts";
import {
  type BundleVerifier,
  type Check,
  type CheckName,
  type Comparison,
  parseStrictJson,
  type VerificationReport,
} from "../../core/manifest/index.ts";
import { formatProof } from "../../core/merkle/index.ts";
import type { JsonValue } from "../../core/policy/index.ts";

/** What the operator has in hand to compare with. */
export type Compared = Comparison;

/** A check of the manifest, or of what stands beside it in an answer. */
export type AnswerCheck = Omit<Check, "check"> & {
  readonly check:
    | CheckName
    | "answer"
    | "answer-run"
    | "answer-outcome"
    | "answer-output"
    | "answer-fallback"
    | "answer-receipt";
};

/** What was found. */
export interface VerifiedDocument {
  readonly report: VerificationReport;
  /** All checks in the order they were made; those of the answer last. */
  readonly checks: readonly AnswerCheck[];
  readonly ok: boolean;
}

/** An answer carries an output as large as its policy allows, beside its manifest. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;

const json: z.ZodType<JsonValue> = z.json();
const answerSchema = z.looseObject({
  run: z.string(),
  outcome: json,
  output: json,
  fallback: z.looseObject({ value: json }).exactOptional(),
  manifest: z.record(z.string(), json),
  receipt: z.looseObject({
    digest: z.string(),
    keyId: z.string(),
    sequence: z.number(),
    proof: z.string().exactOptional(),
  }),
});
type Answer = z.infer<typeof answerSchema>;

/**
 * Verifies one document.
 *
 * @param bytes attacker-controlled
 * @param verify one for all documents: it keeps keys and checkpoints that it has seen
 * @returns the report; every doubt is a check that does not hold
 */
export async function verifyDocument(
  bytes: Uint8Array,
  verify: BundleVerifier,
  compared: Compared,
): Promise<VerifiedDocument> {
  const opened = openAnswer(bytes);
  if ("check" in opened) return { report: { ok: false, checks: [] }, checks: [opened], ok: false };
  const { answer } = opened;
  const bundle = answer === undefined ? bytes : new TextEncoder().encode(JSON.stringify(answer.manifest));
  const report = await verify(bundle, compared);
  const beside = answer !== undefined && report.ok ? checkAnswer(answer, report) : [];
  return {
    report,
    checks: [...report.checks, ...beside],
    ok: report.ok && beside.every(({ ok }) => ok),
  };
}

/** The answer, when the document is one; a bare manifest is left to `verifyBundle`, byte for byte. */
function openAnswer(bytes: Uint8Array): { readonly answer: Answer | undefined } | AnswerCheck {
  if (bytes.byteLength > MAX_ANSWER_BYTES) {
    return { check: "answer", ok: false, detail: `${bytes.byteLength} bytes, at most ${MAX_ANSWER_BYTES}` };
  }
  const document = parseStrictJson(bytes);
  const isAnswer =
    document.ok &&
    typeof document.value === "object" &&
    document.value !== null &&
    "manifest" in document.value &&
    !("dsseEnvelope" in document.value);
  if (!isAnswer) return { answer: undefined };
  const read = answerSchema.safeParse(document.value);
  if (read.success) return { answer: read.data };
  const [issue] = read.error.issues;
  const place = (issue?.path ?? []).map((part) => `/${String(part)}`).join("");
  return { check: "answer", ok: false, detail: `${place} ${issue?.message ?? "is no answer"}`.trim() };
}

function checkAnswer(
  answer: Answer,
  { predicate, digest, keyId, log }: VerificationReport & { readonly ok: true },
): readonly AnswerCheck[] {
  const { receipt } = answer;
  // A good signature over something else: a run's answer comes with a run's manifest.
  if (predicate === undefined) return [{ check: "answer", ok: false, detail: "the manifest is of no run" }];
  const proven =
    log === undefined ||
    (String(receipt.sequence) === String(log.index) && receipt.proof === formatProof(log));
  const outcome = hashOf(answer.outcome) === hashOf(predicate.outcome);
  return [
    {
      check: "answer-run",
      ok: answer.run === predicate.run,
      detail: `signed ${predicate.run}, answer ${answer.run}`,
    },
    {
      check: "answer-outcome",
      ok: outcome,
      detail: outcome ? `signed ${predicate.outcome.kind}` : "the answer's outcome is not the signed one",
    },
    checkHash("answer-output", answer.output ?? undefined, predicate.output_hash),
    checkHash("answer-fallback", answer.fallback?.value, predicate.fallback?.value_hash ?? null),
    {
      check: "answer-receipt",
      ok: receipt.digest === digest && receipt.keyId === keyId && proven,
      detail: `signed bytes ${digest}, receipt ${receipt.digest}${proven ? "" : "; another place in the log"}`,
    },
  ];
}

/**
 * A value beside the manifest against its signed hash. `null` is what an answer says where there is none, and also a
 * function's honest result: it goes with no hash and with the hash of `null`.
 */
function checkHash(
  check: AnswerCheck["check"],
  value: JsonValue | undefined,
  signed: string | null,
): AnswerCheck {
  const found = value === undefined ? null : hashOf(value);
  const ok = found === signed || (value === undefined && signed === hashOf(null));
  return { check, ok, detail: `signed ${signed ?? "none"}, answer ${found ?? "none"}` };
}

/** Hash of the canonical form; a value that has none (a lone surrogate) hashes to a word that nothing equals. */
function hashOf(value: JsonValue): string {
  try {
    return `sha256:${sha256Hex(canonicalJson(value))}`;
  } catch {
    return "no canonical form";
  }
}
