/** Cryptographically secure randomness. */
export interface Entropy {
  /**
   * @param length bytes wanted, 0 to 65536
   * @returns that many fresh random bytes
   */
  bytes(length: number): Uint8Array<ArrayBuffer>;
}
