/**
 * What the operator's profiles hold and held: every text that must not come back to a guest. A service may go on
 * echoing the secret that was, and knows the next one before a run that began with the last has ended.
 *
 * It hands out no profile to use: a run sends, signs with and shows what it began with.
 */
import type { Grant } from "../core/policy/index.ts";
import type { Owner } from "./open-run.ts";
import type { SecretProfile } from "./profiles.ts";

/** Profiles of one name that are remembered, the present one among them: who rotates faster has other worries. */
const MOST_REMEMBERED = 4;

/** The profiles of one gateway, present and past. */
export class KnownSecrets {
  readonly #profiles: ReadonlyMap<string, SecretProfile>;
  /** By name, newest first. */
  readonly #seen = new Map<string, readonly SecretProfile[]>();

  /** @param profiles changed in place when they are read anew */
  constructor(profiles: ReadonlyMap<string, SecretProfile>) {
    this.#profiles = profiles;
  }

  /** @returns profiles of this name, newest first, each with a text of its own; the same list while nothing changes */
  of(name: string): readonly SecretProfile[] {
    const seen = this.#seen.get(name) ?? [];
    const now = this.#profiles.get(name);
    if (now === undefined || now === seen[0]) return seen;
    const others = seen.filter(({ secret }) => secret.reveal() !== now.secret.reveal());
    const all = [now, ...others].slice(0, MOST_REMEMBERED);
    this.#seen.set(name, all);
    return all;
  }
}

/** Names of the profiles that a run with these grants sends, signs with or shows. */
export function namesOf(grants: readonly Grant[]): readonly string[] {
  const names = grants.flatMap((grant) =>
    grant.kind === "http-client"
      ? (grant.secretProfile ?? [])
      : grant.kind === "secrets" || grant.kind === "signing" || grant.kind === "reveal"
        ? grant.profile
        : [],
  );
  return [...new Set(names)];
}

/**
 * What is looked for on every way out of one run: its own secrets, and whatever their profiles held before and hold by
 * now, as far as they are for its tenant.
 *
 * @param own as the run began with them
 * @returns the texts at the moment it is called; the same list while they are the same
 */
export function textsOf(
  own: readonly SecretProfile[],
  known: KnownSecrets,
  owner: Owner | undefined,
): () => readonly string[] {
  let seen: readonly (readonly SecretProfile[])[] = [];
  let texts: readonly string[] = [];
  if (own.length === 0) return () => texts;
  return () => {
    const now = own.map(({ name }) => known.of(name));
    if (now.every((profiles, index) => profiles === seen[index])) return texts;
    seen = now;
    const all = [...own, ...now.flat().filter((profile) => isFor(profile, owner))];
    texts = [...new Set(all.map(({ secret }) => secret.reveal()))];
    return texts;
  };
}

/** Whether a profile is for a run's tenant. */
export function isFor({ tenants }: SecretProfile, owner: Owner | undefined): boolean {
  return tenants === undefined || tenants.includes(owner?.tenant ?? "");
}
