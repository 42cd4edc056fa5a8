/** How a command ends. The numbers are for scripts and do not change. */
export const EXIT = {
  /** It did what was asked, and what it looked at is good. */
  good: 0,
  /** It did what was asked, and what it looked at is bad: a fault in a policy, a manifest that does not verify. */
  bad: 1,
  /** It did not do what was asked. */
  refused: 2,
} as const;
