/** The operator's file about witnesses of the log: who they are, how many have to cosign, and what if they do not. */
import { z } from "zod";
import { parseWitnessKey, sameBytes, type WitnessDemand, type WitnessKey } from "../merkle/index.ts";
import { parseStrictJson } from "./strict-json.ts";

/** What the file says. */
export interface WitnessFile {
  readonly witnesses: readonly {
    readonly key: WitnessKey;
    /** Ends with a slash. */
    readonly url: string;
    readonly allowAddresses: readonly string[];
  }[];
  readonly quorum: number;
  readonly onUnmet: "refuse" | "report";
  readonly maxAgeMs: number;
}

const fileSchema = z.strictObject({
  quorum: z.int().min(1),
  on_unmet: z.enum(["refuse", "report"]),
  max_age_seconds: z.int().min(1).max(86_400),
  witnesses: z
    .array(
      z.strictObject({
        key: z.string(),
        url: z.string().regex(/^https?:\/\/[^\s?#@]+$/),
        allow_addresses: z.array(z.string()).exactOptional(),
      }),
    )
    .min(1),
});

/**
 * Reads the file.
 *
 * @returns what it says, or what is wrong with it: a demand that is half understood is none
 */
export function parseWitnessFile(
  bytes: Uint8Array,
): { readonly ok: true; readonly file: WitnessFile } | { readonly ok: false; readonly detail: string } {
  const json = parseStrictJson(bytes);
  if (!json.ok) return { ok: false, detail: json.reason };
  const read = fileSchema.safeParse(json.value);
  if (!read.success) return { ok: false, detail: describeIssue(read.error) };
  const { quorum, on_unmet: onUnmet, max_age_seconds: maxAge } = read.data;
  const keys = readKeys(read.data.witnesses.map(({ key }) => key));
  if (typeof keys === "string") return { ok: false, detail: keys };
  if (quorum > keys.length) return { ok: false, detail: describeQuorum(quorum, keys.length) };
  const witnesses = read.data.witnesses.flatMap(({ url, allow_addresses: allowAddresses = [] }, index) => {
    const key = keys[index];
    return key === undefined ? [] : [{ key, url: url.endsWith("/") ? url : `${url}/`, allowAddresses }];
  });
  return { ok: true, file: { witnesses, quorum, onUnmet, maxAgeMs: maxAge * 1000 } };
}

/** What a verifier reads of it: where witnesses are, and what a gateway does without them, is none of its business. */
const demandSchema = z.looseObject({
  quorum: z.int().min(1),
  witnesses: z.array(z.looseObject({ key: z.string() })).min(1),
});

/**
 * Reads what a verifier wants of witnesses: the operator's own file, or `{ "quorum": 2, "witnesses": [{ "key": … }] }`.
 *
 * @returns what is wanted, or what is wrong with the file
 */
export function parseWitnessDemand(
  bytes: Uint8Array,
): { readonly ok: true; readonly demand: WitnessDemand } | { readonly ok: false; readonly detail: string } {
  const json = parseStrictJson(bytes);
  if (!json.ok) return { ok: false, detail: json.reason };
  const read = demandSchema.safeParse(json.value);
  if (!read.success) return { ok: false, detail: describeIssue(read.error) };
  const keys = readKeys(read.data.witnesses.map(({ key }) => key));
  if (typeof keys === "string") return { ok: false, detail: keys };
  const { quorum } = read.data;
  if (quorum > keys.length) return { ok: false, detail: describeQuorum(quorum, keys.length) };
  return { ok: true, demand: { quorum, witnesses: keys } };
}

/** @returns the keys; or which of them is none, or is there twice: it would count twice */
function readKeys(texts: readonly string[]): readonly WitnessKey[] | string {
  const keys: WitnessKey[] = [];
  for (const [index, text] of texts.entries()) {
    const key = parseWitnessKey(text);
    if (key === undefined) return `/witnesses/${index}/key is no key of a witness`;
    // One key under two names would count twice as well.
    if (keys.some(({ name, spki }) => name === key.name || sameBytes(spki, key.spki)))
      return `/witnesses/${index}/key names ${key.name} again`;
    keys.push(key);
  }
  return keys;
}

function describeIssue({ issues: [issue] }: z.ZodError): string {
  const place = (issue?.path ?? []).map((part) => `/${String(part)}`).join("");
  return `${place || "/"} ${issue?.message}`;
}

function describeQuorum(quorum: number, count: number): string {
  return `/quorum is ${quorum}, and there are ${count} witnesses`;
}
