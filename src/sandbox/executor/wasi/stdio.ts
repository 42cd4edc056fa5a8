/** `wasi:cli/stdin|stdout|stderr`: an empty input, and outputs that the broker captures up to the log budget. */
import type { Binding } from "../binding.ts";
import type { GuestContext } from "../context.ts";
import { CHUNK_BYTES, InputStream, OutputStream } from "./streams.ts";

/** Binding of `wasi:cli/stdin`: at its end from the beginning. */
export function createStdin(): Binding {
  return {
    resources: {},
    functions: { getStdin: () => new InputStream({ read: () => Promise.resolve(undefined) }) },
  };
}

/** Binding of `wasi:cli/stdout`. */
export function createStdout(context: GuestContext): Binding {
  return { resources: {}, functions: { getStdout: () => captured(context, "stdout") } };
}

/** Binding of `wasi:cli/stderr`. */
export function createStderr(context: GuestContext): Binding {
  return { resources: {}, functions: { getStderr: () => captured(context, "stderr") } };
}

/** Writes under way before a guest has to wait: what bounds the bytes that are held between two processes. */
const WRITES_UNDER_WAY = 16;

function captured(context: GuestContext, stream: "stdout" | "stderr"): OutputStream {
  return new OutputStream({
    room: () => (context.underWay() < WRITES_UNDER_WAY ? CHUNK_BYTES : 0),
    write: (bytes) => context.send("stdio/write", { stream }, bytes),
    flush: () => context.settled(),
  });
}
