/**
 * Verifies an execution manifest offline: trusted keys and bytes in, a report out.
 *
 * The order is the point. Nothing signed is parsed before its signature holds; the key comes from the verifier's own
 * trust, never from the manifest; each later check runs only when those before it held.
 *
 * What this does not prove: the run's time is the signer's own word, and a log could show others another history than
 * the one it was found in. Comparing checkpoints shows that.
 */
import { z } from "zod";
import { decodeBase64 } from "../base64.ts";
import { canonicalJson, sha256Bytes, sha256Hex, toHex } from "../digest.ts";
import { CheckpointReader, findCosigners, type Note, type Sha256 } from "../merkle/index.ts";
import { ACTION_TYPE, type ActionPredicate, ActionPredicateSchema, createActionStatement } from "./action.ts";
import { derToRaw, isHighS } from "./ecdsa.ts";
import { parseInstant } from "./instant.ts";
import {
  type Check,
  type Comparison,
  type Demand,
  type LogPlace,
  MAX_BUNDLE_BYTES,
  type VerificationReport,
  type VerifySignature,
} from "./report.ts";
import { RunPredicateSchema } from "./schema.ts";
import { BUNDLE_MEDIA_TYPE, createStatement, pae } from "./statement.ts";
import { parseStrictJson } from "./strict-json.ts";
import type { Trust, TrustedKey, TrustedKeys } from "./trust.ts";
import { PAYLOAD_TYPE, PREDICATE_TYPE, type RunPredicate } from "./types.ts";
import {
  type InLog,
  type LogReading,
  type SignedParts,
  tlogEntrySchema,
  verifyLogEntry,
} from "./verify-log.ts";

// Strict on purpose: the bundle around the envelope is not signed, so what we do not know we do not let pass.
const bundleSchema = z.strictObject({
  mediaType: z.literal(BUNDLE_MEDIA_TYPE),
  verificationMaterial: z.strictObject({
    publicKey: z.strictObject({ hint: z.string() }),
    tlogEntries: z.array(tlogEntrySchema).exactOptional(),
  }),
  dsseEnvelope: z.strictObject({
    payload: z.string(),
    payloadType: z.string(),
    signatures: z.tuple([z.strictObject({ sig: z.string(), keyid: z.string() })]),
  }),
});

const statementSchema = z.strictObject({
  _type: z.literal("https://in-toto.io/Statement/v1"),
  subject: z.array(z.strictObject({ name: z.string(), digest: z.strictObject({ sha256: z.string() }) })),
  predicateType: z.string(),
  predicate: z.unknown(),
});

/** Ends verification: carried to {@link verifyBundle}, never out of it. */
class Refused extends Error {}

/** Verifies one manifest against what {@link bundleVerifier} was given. */
export type BundleVerifier = (
  bundleBytes: Uint8Array,
  comparison?: Comparison,
) => Promise<VerificationReport>;

/**
 * Makes ready to verify many manifests: keys are decoded once, and a checkpoint that several of them share is verified
 * once.
 *
 * @param trust the verifier's keys and logs; every one is tried, whatever a manifest's hints say
 * @param verifySignature WebCrypto, or the like
 * @param sha256 a faster one than ours, where there is one
 * @throws {TypeError} when the trust names a log whose key is no Ed25519 key
 */
export function bundleVerifier(
  trust: Trust,
  verifySignature: VerifySignature,
  sha256: Sha256 = sha256Bytes,
): BundleVerifier {
  const keys = trust.keys.flatMap((key) => {
    const spki = decodeBase64(key.spki);
    return spki === undefined ? [] : [{ key, spki }];
  });
  const checkpoints = new CheckpointReader(trust.logs, verifySignature);
  // By the note that the reader of checkpoints remembers, so for as long as it does.
  const cosigners = new WeakMap<Note, Promise<readonly string[]>>();
  const reading: LogReading = {
    checkpoints,
    sha256,
    cosigners(note, demand) {
      const found = cosigners.get(note) ?? findCosigners(note, demand, verifySignature);
      cosigners.set(note, found);
      return found;
    },
  };
  return async (bundleBytes, comparison = {}) => {
    const checks: Check[] = [];
    const demand: Demand = (check, ok, detail) => {
      checks.push({ check, ok, detail: printable(detail) });
      if (!ok) throw new Refused(detail);
    };
    try {
      const signed = openEnvelope(bundleBytes, sha256, demand);
      const signer = await findSigner(signed, keys, verifySignature);
      demand("signature", signer !== undefined, describeSigner(signed, trust.keys, signer?.key));
      const { key, spki } = signer;
      const named = signed.hint === key.keyId && (signed.keyid === "" || signed.keyid === key.keyId);
      demand(
        "key-hint",
        named,
        `hint ${quote(signed.hint)}, keyid ${quote(signed.keyid)}, signer ${quote(key.keyId)}`,
      );
      const inLog = await verifyLogEntry(signed, spki, trust, reading, demand);
      const words = openStatement(signed.payload, demand);
      const at = words.predicate?.finished_at ?? words.action?.finished_at ?? "";
      demandValidity("key-validity", at, key, demand);
      if (inLog !== undefined) demandValidity("log-validity", at, inLog.log, demand);
      compare(words.predicate, comparison, demand);
      return {
        ok: true,
        checks,
        keyId: key.keyId,
        digest: toHex(signed.digest),
        ...words,
        ...placeOf(inLog),
      };
    } catch (error) {
      if (error instanceof Refused) return { ok: false, checks };
      throw error;
    }
  };
}

/**
 * Verifies one manifest. Whoever has many makes a {@link bundleVerifier} for all of them.
 *
 * @param bundleBytes the manifest as it came; attacker-controlled
 * @param trust the verifier's keys and logs
 * @param verifySignature WebCrypto, or the like
 * @param comparison what to compare the manifest with
 * @returns the checks made and the verdict; every doubt is a refusal. Rejects only when `verifySignature` does
 */
export async function verifyBundle(
  bundleBytes: Uint8Array,
  trust: Trust,
  verifySignature: VerifySignature,
  comparison: Comparison = {},
): Promise<VerificationReport> {
  return await bundleVerifier(trust, verifySignature)(bundleBytes, comparison);
}

function placeOf(inLog: InLog | undefined): { readonly log?: LogPlace } {
  if (inLog === undefined) return {};
  const { log, index, path, checkpoint } = inLog;
  return { log: { origin: log.origin, index, path, checkpoint } };
}

/** What an envelope says, before any of it is believed. */
interface Signed extends SignedParts {
  readonly payload: Uint8Array<ArrayBuffer>;
  /** `r || s` of the same signature. */
  readonly signatureRaw: Uint8Array<ArrayBuffer>;
  readonly hint: string;
  readonly keyid: string;
}

function openEnvelope(bundleBytes: Uint8Array, sha256: Sha256, demand: Demand): Signed {
  const { length } = bundleBytes;
  demand("size", length <= MAX_BUNDLE_BYTES, `${length} bytes, at most ${MAX_BUNDLE_BYTES}`);
  const bundle = readJson(bundleBytes, bundleSchema);
  demand("bundle", bundle.ok, bundle.ok ? BUNDLE_MEDIA_TYPE : bundle.reason);
  const { dsseEnvelope, verificationMaterial } = bundle.value;
  const [{ sig, keyid }] = dsseEnvelope.signatures;
  const [payload, signatureDer] = [decodeBase64(dsseEnvelope.payload), decodeBase64(sig)];
  const signatureRaw = signatureDer && derToRaw(signatureDer);
  const readable = payload !== undefined && signatureDer !== undefined && signatureRaw !== undefined;
  demand("encoding", readable, "payload in canonical base64, signature in canonical DER");
  // Pinned before the signature is looked at: a valid signature over another kind of document means nothing here.
  demand("payload-type", dsseEnvelope.payloadType === PAYLOAD_TYPE, quote(dsseEnvelope.payloadType));
  const bytes = pae(PAYLOAD_TYPE, payload);
  const { publicKey, tlogEntries = [] } = verificationMaterial;
  const digest = sha256(bytes);
  return { payload, bytes, digest, signatureDer, signatureRaw, hint: publicKey.hint, keyid, tlogEntries };
}

/** A trusted key, and its DER. */
interface ReadyKey {
  readonly key: TrustedKey;
  readonly spki: Uint8Array<ArrayBuffer>;
}

/** The first trusted key under which the signature holds, whatever the manifest says about its key. */
async function findSigner(
  { signatureDer, bytes }: Signed,
  keys: readonly ReadyKey[],
  verify: VerifySignature,
): Promise<ReadyKey | undefined> {
  for (const one of keys) if (await verify(one.spki, signatureDer, bytes)) return one;
  return undefined;
}

function describeSigner(signed: Signed, trust: TrustedKeys, key: TrustedKey | undefined): string {
  if (key === undefined)
    return `under none of ${trust.length} trusted keys; the manifest hints at ${quote(signed.hint)}`;
  return `by ${key.keyId}${isHighS(signed.signatureRaw) ? ", in its high-S form" : ""}`;
}

/** The signer's words: about a run, or about what an operator did. */
interface Words {
  readonly predicate: RunPredicate | undefined;
  readonly action?: ActionPredicate;
}

/** Parses what is now known to be the signer's words; their truth about hashes is checked against each other. */
function openStatement(payload: Uint8Array, demand: Demand): Words {
  const statement = readJson(payload, statementSchema);
  demand("statement", statement.ok, statement.ok ? "in-toto Statement v1" : statement.reason);
  const { predicateType, subject, predicate } = statement.value;
  const isAction = predicateType === ACTION_TYPE;
  demand("predicate-type", isAction || predicateType === PREDICATE_TYPE, quote(predicateType));
  const read = (isAction ? readAction : readRun)(predicate);
  demand("predicate", read.ok, read.ok ? read.name : read.reason);
  const [found, expected] = [JSON.stringify(subject), JSON.stringify(read.subject)];
  demand(
    "subjects",
    found === expected,
    found === expected ? read.subject.map(({ name }) => name).join(", ") : found,
  );
  return read.signed;
}

/** A predicate that was understood, and the subjects that it calls for. */
type ReadPredicate =
  | {
      readonly ok: true;
      readonly name: string;
      readonly subject: ReturnType<typeof createStatement>["subject"];
      readonly signed: Words;
    }
  | { readonly ok: false; readonly reason: string };

function readRun(value: unknown): ReadPredicate {
  const { success, data, error } = RunPredicateSchema.safeParse(value);
  if (!success) return { ok: false, reason: describeFaults(error) };
  const { subject } = createStatement(data);
  return { ok: true, name: `run ${quote(data.run)}`, subject, signed: { predicate: data } };
}

function readAction(value: unknown): ReadPredicate {
  const { success, data, error } = ActionPredicateSchema.safeParse(value);
  if (!success) return { ok: false, reason: describeFaults(error) };
  const { subject } = createActionStatement(data);
  const name = `action ${quote(data.action)}`;
  return { ok: true, name, subject, signed: { predicate: undefined, action: data } };
}

/** The only time known here is the one that was signed. */
function demandValidity(
  check: "key-validity" | "log-validity",
  at: string,
  { validFromMs, validUntilMs }: Pick<TrustedKey, "validFromMs" | "validUntilMs">,
  demand: Demand,
): void {
  const finishedAtMs = parseInstant(at);
  const from = finishedAtMs >= validFromMs;
  const until = validUntilMs === undefined || finishedAtMs < validUntilMs;
  const span = `from ${validFromMs}${validUntilMs === undefined ? "" : ` until ${validUntilMs}`}`;
  demand(check, from && until, `run finished ${at}; key valid ${span} ms since 1970`);
}

function compare(predicate: RunPredicate | undefined, comparison: Comparison, demand: Demand): void {
  const { input, output, component, policyId } = comparison;
  const rows = [
    ["compare-input", input && hashJson(input), predicate?.input_hash],
    ["compare-output", output && hashJson(output), predicate?.output_hash],
    ["compare-component", component && `sha256:${sha256Hex(component)}`, predicate?.artifact_hash],
    ["compare-policy", policyId, predicate?.policy_id],
  ] as const;
  for (const [check, found, signed] of rows) {
    if (found !== undefined) demand(check, found === signed, `signed ${signed ?? "none"}, found ${found}`);
  }
}

/** Hash of a JSON text's canonical form; a word that no hash equals when the text has none. */
function hashJson(bytes: Uint8Array): string {
  const json = parseStrictJson(bytes);
  if (!json.ok) return json.reason;
  try {
    return `sha256:${sha256Hex(canonicalJson(json.value))}`;
  } catch {
    return "no canonical form";
  }
}

function readJson<T>(
  bytes: Uint8Array,
  schema: z.ZodType<T>,
): { readonly ok: true; readonly value: T } | { readonly ok: false; readonly reason: string } {
  const json = parseStrictJson(bytes);
  if (!json.ok) return json;
  const read = schema.safeParse(json.value);
  return read.success ? { ok: true, value: read.data } : { ok: false, reason: describeFaults(read.error) };
}

/** First three faults, each with its place. */
function describeFaults(error: z.ZodError): string {
  const faults = error.issues.slice(0, 3);
  return faults.map(({ path, message }) => `/${path.map(String).join("/")}: ${message}`).join("; ");
}

function quote(text: string): string {
  return JSON.stringify(text);
}

/** For a terminal: what came from the manifest can not move the cursor, hide text or fill the screen. */
function printable(detail: string): string {
  if (detail.length <= 400 && /^[\x20-\x7e]*$/.test(detail)) return detail;
  const ascii = detail.replace(
    /[^\x20-\x7e]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  return ascii.length > 400 ? `${ascii.slice(0, 400)}...` : ascii;
}
