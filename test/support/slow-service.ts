/** A broker behind which a service answers late, in pieces, and never twice in the same time. */
import type { FakeRunHostFaults } from "./fake-run-host.ts";

const encode = (text: string) => new TextEncoder().encode(text);

/** What the service's answer says, in pieces as they arrive. */
export interface Service {
  readonly pieces: readonly string[];
  /** Each reply takes at most so long. */
  readonly longestMs: number;
  readonly status?: number;
}

/** Answers requests and reads; everything else is fine at once. */
export function slowService({ pieces, longestMs, status = 200 }: Service): FakeRunHostFaults {
  const bodies: string[][] = [];
  return {
    async reply({ name, args }) {
      await new Promise((resolve) => setTimeout(resolve, Math.random() * longestMs));
      if (name === "http-client/send") {
        bodies.push([...pieces]);
        const headers = [["content-type", "application/json"]];
        return { kind: "ok", value: { status, headers, body: bodies.length } };
      }
      if (name !== "http-client/read") return { kind: "ok", value: null };
      const { handle } = args as { readonly handle: number }; // From our own executor.
      const piece = bodies[handle - 1]?.shift();
      return piece === undefined
        ? { kind: "ok", value: { end: true } }
        : { kind: "ok", value: { end: false }, body: encode(piece) };
    },
  };
}
