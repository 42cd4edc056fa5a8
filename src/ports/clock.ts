/** Time as an argument: the only clocks in the project. */
export interface Clock {
  /** Wall clock, ms since the Unix epoch, whole. May jump. */
  nowMs(): number;
  /** Monotonic clock, ms with fraction, arbitrary origin. Never jumps; for durations only. */
  monotonicMs(): number;
  /** Calls `action` once after `ms`; the returned function cancels it. Never keeps the process alive by itself. */
  after(ms: number, action: () => void): () => void;
}
