/**
 * Reads the operator's secret profiles again and again, so that a secret or a certificate is rotated without a restart.
 * It never takes a profile away because its file can not be used.
 */
import { beginRounds } from "../core/rounds.ts";
import type { Clock } from "../ports/index.ts";
import type { SecretProfile } from "./profiles.ts";

/** How old a secret profile may be. */
const PROFILES_EVERY_MS = 15_000;

/**
 * Takes over changed profiles for the runs that follow: one under way keeps what it began with. A file that cannot be used changes nothing: a slip while a
 * secret is rotated must not take every tool's away.
 *
 * @param profiles what brokers look into; changed in place, all at once
 * @param log told why profiles were not taken over
 * @returns ends it, and waits for the round under way
 */
export function keepFresh(
  clock: Clock,
  profiles: Map<string, SecretProfile>,
  load: () => Promise<ReadonlyMap<string, SecretProfile>>,
  log: (line: object) => void,
): () => Promise<void> {
  const work = async () => {
    const fresh = await load();
    for (const name of profiles.keys()) if (!fresh.has(name)) profiles.delete(name);
    for (const [name, profile] of fresh) profiles.set(name, profile);
  };
  const onError = (error: unknown) => log({ event: "profiles-not-reloaded", error: String(error) });
  return beginRounds({ clock, everyMs: () => PROFILES_EVERY_MS, work, onError });
}
