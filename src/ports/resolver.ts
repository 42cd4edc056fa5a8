/** Names to addresses, for the egress module alone. */
export interface Resolver {
  /**
   * @param host lower-case ASCII host name, no trailing dot, no literal
   * @returns every A and AAAA address as text; empty when the name does not exist
   */
  resolve(host: string, signal: AbortSignal): Promise<readonly string[]>;
}
