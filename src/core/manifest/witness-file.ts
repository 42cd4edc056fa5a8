/** The operator's file about witnesses of the log: who they are, how many have to cosign, and what if they do not. */
import { z } from "zod";
import { parseWitnessKey, type WitnessKey } from "../merkle/index.ts";
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
  if (!read.success) {
    const [issue] = read.error.issues;
    const place = (issue?.path ?? []).map((part) => `/${String(part)}`).join("");
    return { ok: false, detail: `${place || "/"} ${issue?.message}` };
  }
  const { quorum, on_unmet: onUnmet, max_age_seconds: maxAge } = read.data;
  const witnesses: WitnessFile["witnesses"][number][] = [];
  for (const [
    index,
    { key: text, url, allow_addresses: allowAddresses = [] },
  ] of read.data.witnesses.entries()) {
    const key = parseWitnessKey(text);
    if (key === undefined) return { ok: false, detail: `/witnesses/${index}/key is no key of a witness` };
    // One witness under two entries would count twice.
    if (witnesses.some((other) => other.key.name === key.name))
      return { ok: false, detail: `/witnesses/${index}/key names ${key.name} again` };
    witnesses.push({ key, url: url.endsWith("/") ? url : `${url}/`, allowAddresses });
  }
  if (quorum > witnesses.length)
    return { ok: false, detail: `/quorum is ${quorum}, and there are ${witnesses.length} witnesses` };
  return { ok: true, file: { witnesses, quorum, onUnmet, maxAgeMs: maxAge * 1000 } };
}
