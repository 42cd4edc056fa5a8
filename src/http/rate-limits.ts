/**
 * What is left of a caller's windows, as header fields.
 *
 * @see https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/
 */
import type { InvocationAnswer } from "../gateway/index.ts";
import type { ExtraHeaders } from "./answers.ts";

/**
 * @param windows in the policy's order
 * @returns `RateLimit-Policy` and `RateLimit`, each with an item for every limit: `"fuel-3600";r=5000;t=120`
 */
export function rateLimits(windows: NonNullable<InvocationAnswer["windows"]>, nowMs: number): ExtraHeaders {
  if (windows.length === 0) return {};
  const policy = windows.map(
    ({ measure, perSeconds, limit }) => `"${measure}-${perSeconds}";q=${limit};w=${perSeconds}`,
  );
  const left = windows.map(({ measure, perSeconds, left: rest, resetsAtMs }) => {
    const seconds = Math.max(0, Math.ceil((resetsAtMs - nowMs) / 1000));
    return `"${measure}-${perSeconds}";r=${rest};t=${seconds}`;
  });
  return { "ratelimit-policy": policy.join(", "), ratelimit: left.join(", ") };
}
