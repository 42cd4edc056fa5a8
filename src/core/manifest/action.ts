/**
 * What an operator did to a gateway, as a statement that is signed and logged beside those of runs: which tools and
 * policies were in force before and after, who changed it, and what changed in words. It says nothing of any run, and
 * no word of it is a secret: profiles and keys are there by name.
 */
import { z } from "zod";
import { canonicalJson, sha256Hex } from "../digest.ts";
import type { JsonValue } from "../policy/types.ts";

/** The predicate type of an operator's action. An identifier: nothing is fetched from it. */
export const ACTION_TYPE = "https://writ.dev/operator-action/v1";

/** What can be done. A verifier refuses words that it does not know, as it does with outcomes. */
export const ACTION_KINDS = [
  "reload",
  "record",
  "activate",
  "canary",
  "rollback",
  "suspend",
  "resume",
  "floor",
  "issue-key",
  "revoke-key",
] as const;

/** One of {@link ACTION_KINDS}. */
export type ActionKind = (typeof ACTION_KINDS)[number];

/** Changes told one by one at most; more are told by their number. */
const MAX_CHANGES = 1_000;

/** The predicate of the statement. */
export interface ActionPredicate {
  /** `act_` and 26 characters of Crockford base32, ordered by time. */
  readonly action: string;
  readonly kind: ActionKind;
  /** Who did it: a principal's id; `file` for a watched file, `signal`, `cli`, or `rule:` and an automatic rule. */
  readonly actor: string;
  /** What changed, a sentence each; at least one. */
  readonly changes: readonly string[];
  /** `sha256:<hex>` of what was in force before and after: see {@link digestState}. */
  readonly before: string;
  readonly after: string;
  readonly runtime: { readonly host: string; readonly writ: string };
  /** RFC 3339 with milliseconds, UTC: when it took effect. Keys have to be valid at this moment. */
  readonly finished_at: string;
}

/** in-toto Statement v1; its subjects are what was in force before and after. */
export interface ActionStatement {
  readonly _type: "https://in-toto.io/Statement/v1";
  readonly subject: readonly { readonly name: string; readonly digest: { readonly sha256: string } }[];
  readonly predicateType: typeof ACTION_TYPE;
  readonly predicate: ActionPredicate;
}

const hash = z.string().regex(/^sha256:[0-9a-f]{64}$/);

/** What matches it is an {@link ActionPredicate}, possibly with members that this version does not know. */
export const ActionPredicateSchema: z.ZodType<ActionPredicate> = z.looseObject({
  action: z.string().regex(/^act_[0-9A-Z]{26}$/),
  kind: z.enum(ACTION_KINDS),
  actor: z.string().min(1),
  changes: z
    .array(z.string())
    .min(1)
    .max(MAX_CHANGES + 1),
  before: hash,
  after: hash,
  runtime: z.looseObject({ host: z.string(), writ: z.string() }),
  finished_at: z.iso.datetime({ precision: 3 }),
});

/**
 * Makes the statement of an action. Of very many changes the first are told, and how many there were.
 *
 * @throws {TypeError} when a digest is not `sha256:` and 64 lower-case hex digits
 */
export function createActionStatement(predicate: ActionPredicate): ActionStatement {
  const { changes } = predicate;
  const told =
    changes.length <= MAX_CHANGES
      ? changes
      : [...changes.slice(0, MAX_CHANGES), `${changes.length - MAX_CHANGES} more changes`];
  return {
    _type: "https://in-toto.io/Statement/v1",
    subject: (["before", "after"] as const).map((name) => {
      if (!hash.safeParse(predicate[name]).success)
        throw new TypeError(`Cannot make subject "${name}": ${JSON.stringify(predicate[name])} is no digest`);
      return { name, digest: { sha256: predicate[name].slice("sha256:".length) } };
    }),
    predicateType: ACTION_TYPE,
    predicate: { ...predicate, changes: told },
  };
}

/**
 * Digest of what is in force.
 *
 * @param state names, digests and policy ids: whatever makes two states differ, and no secret
 * @returns `sha256:<hex>` of its canonical JSON (RFC 8785)
 */
export function digestState(state: JsonValue): string {
  return `sha256:${sha256Hex(canonicalJson(state))}`;
}
