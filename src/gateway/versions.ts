/** Versions that every manifest names: of what ran, as the gateway was told them. */
export interface Versions {
  /** Runtime of the gateway, e.g. `node 26.10.0`. */
  readonly host: string;
  readonly writ: string;
}
