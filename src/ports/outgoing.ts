/** Requests of the gateway itself, to places that its operator named. Guests' requests go another way. */
export interface Outgoing {
  /**
   * Posts text. Goes through the same checks as every request: strict URL, every address judged, no redirects.
   *
   * @param options `allowAddresses`: CIDR blocks that the operator opened for it; `maxBytes`: of the answer
   * @throws when there is no answer, or a longer one
   */
  post(
    url: string,
    body: string,
    options: {
      readonly timeoutMs: number;
      readonly maxBytes: number;
      readonly allowAddresses: readonly string[];
    },
  ): Promise<{ readonly status: number; readonly text: string }>;
}
