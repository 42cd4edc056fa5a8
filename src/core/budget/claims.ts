/** What a run may claim of what it shares with others, as far as it is a question whether it claims anything. */

/** Claims of one run: on windows, on an idempotency key, on a retry budget, on a loop cap. */
export interface Claims {
  readonly windows: readonly unknown[];
  readonly key?: unknown;
  readonly attempt?: unknown;
  readonly loop?: unknown;
}

/** Whether nothing is claimed: then nobody else can have taken it, and there is nothing that a run could be refused for. */
export function claimsNothing({ windows, key, attempt, loop }: Claims): boolean {
  return windows.length === 0 && key === undefined && attempt === undefined && loop === undefined;
}
