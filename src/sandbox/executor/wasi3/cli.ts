/** `wasi:cli` of WASI 0.3, apart from what is the same as in 0.2: standard input is empty, outputs are captured. */
import type { Binding } from "../binding.ts";
import type { GuestContext } from "../context.ts";
import type { Readable } from "../linker/index.ts";
import { createEnvironment as createOlderEnvironment } from "../wasi/cli.ts";
import { drain, HostFuture, HostStream } from "./streams.ts";

/** Binding of `wasi:cli/environment`: what was granted, and no working directory. */
export function createEnvironment(context: GuestContext): Binding {
  const { functions } = createOlderEnvironment(context);
  return { resources: {}, functions: { ...functions, getInitialCwd: () => undefined } };
}

/** Binding of `wasi:cli/stdin`: at its end from the beginning. */
export function createStdin({ work }: GuestContext): Binding {
  return {
    resources: {},
    functions: {
      readViaStream() {
        const result = new HostFuture();
        const source = { read: () => Promise.resolve(undefined) };
        return [new HostStream(work, source, () => result.settle({ tag: "ok" })), result];
      },
    },
  };
}

/** Binding of `wasi:cli/stdout`. */
export function createStdout(context: GuestContext): Binding {
  return captured(context, "stdout");
}

/** Binding of `wasi:cli/stderr`. */
export function createStderr(context: GuestContext): Binding {
  return captured(context, "stderr");
}

/** Writes under way before the guest has to wait: what bounds the bytes that are held between two processes. */
const WRITES_UNDER_WAY = 16;

function captured(context: GuestContext, stream: "stdout" | "stderr"): Binding {
  async function take(bytes: Uint8Array): Promise<void> {
    context.send("stdio/write", { stream }, bytes);
    if (context.underWay() >= WRITES_UNDER_WAY) await context.settled();
  }
  return {
    resources: {},
    functions: {
      writeViaStream(data: Readable) {
        const result = new HostFuture();
        drain(data, context.work, take, () => result.settle({ tag: "ok" }));
        return result;
      },
    },
  };
}
