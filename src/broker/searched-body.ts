/** A response's body that is searched for secrets on its way to the guest. It decides nothing about what is found. */
import type { EchoStream } from "./echo.ts";
import type { EgressResponse } from "./egress/index.ts";

/**
 * @param found told once, when the first secret is found
 * @returns the body's reading, in which nothing is left of any secret that was known by then
 */
export function searchedBody(
  response: EgressResponse,
  filter: EchoStream,
  found: () => void,
): Pick<EgressResponse, "read" | "giveBack" | "ended"> {
  let isTold = false;
  /** The filter holds nothing back any more. */
  let isOver = false;
  return {
    async read(maxBytes) {
      while (!isOver) {
        const pieces = await response.read(maxBytes);
        isOver = pieces === undefined || response.ended;
        const clean = (pieces ?? []).map((piece) => filter.push(piece));
        if (isOver) clean.push(filter.end());
        if (pieces !== undefined) response.giveBack(pieces);
        if (filter.hasFound() && !isTold) {
          isTold = true;
          found();
        }
        const left = clean.filter((piece) => piece.length > 0);
        if (left.length > 0) return left;
      }
      return undefined;
    },
    giveBack() {
      // What the filter gives is its own.
    },
    get ended() {
      return isOver;
    },
  };
}
