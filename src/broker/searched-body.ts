/** A response's body that is searched for secrets on its way to the guest. It decides nothing about what is found. */
import type { EchoStream } from "./echo.ts";
import type { EgressResponse } from "./egress/index.ts";

/** A class, because objects written down with getters outlive their request. */
export class SearchedBody implements Pick<EgressResponse, "read" | "giveBack" | "ended"> {
  readonly #response: EgressResponse;
  readonly #filter: EchoStream;
  readonly #found: () => void;
  #isTold = false;
  /** The filter holds nothing back any more. */
  #isOver = false;

  /** @param found told once, when the first secret is found */
  constructor(response: EgressResponse, filter: EchoStream, found: () => void) {
    this.#response = response;
    this.#filter = filter;
    this.#found = found;
  }

  /** As the response's own; nothing is left of any secret that was known by then. */
  async read(maxBytes: number): Promise<readonly Uint8Array[] | undefined> {
    const filter = this.#filter;
    while (!this.#isOver) {
      const pieces = await this.#response.read(maxBytes);
      this.#isOver = pieces === undefined || this.#response.ended;
      const clean = (pieces ?? []).map((piece) => filter.push(piece));
      if (this.#isOver) clean.push(filter.end());
      if (pieces !== undefined) this.#response.giveBack(pieces);
      if (filter.hasFound() && !this.#isTold) {
        this.#isTold = true;
        this.#found();
      }
      const left = clean.filter((piece) => piece.length > 0);
      if (left.length > 0) return left;
    }
    return undefined;
  }

  giveBack(): void {
    // What the filter gives is its own.
  }

  get ended(): boolean {
    return this.#isOver;
  }
}
