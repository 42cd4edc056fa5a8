/**
 * `wasi:cli` apart from its streams: variables and arguments as the policy names them, no terminal, and the guest's
 * own way to end its run. Every program of Go, Python and C ends by `exit`, so it is an end and no refusal.
 */
import type { Binding } from "../binding.ts";
import type { GuestContext } from "../context.ts";

/** Binding of `wasi:cli/environment`: what was granted, and no working directory. */
export function createEnvironment({ settings }: GuestContext): Binding {
  return {
    resources: {},
    functions: {
      getEnvironment: () => settings.environment,
      getArguments: () => settings.arguments,
      initialCwd: () => undefined,
    },
  };
}

/** Binding of `wasi:cli/exit`. Neither function returns: the guest ends by a trap that it can not catch. */
export function createExit(context: GuestContext): Binding {
  return {
    resources: {},
    functions: {
      // A bare `result` is an object with a tag.
      exit: (status: { readonly tag: string }) => context.exit(status.tag === "ok" ? 0 : 1),
      exitWithCode: (code: number) => context.exit(code),
    },
  };
}

/** Resource `terminal-input`, of which there is never one. */
export class TerminalInput {}

/** Resource `terminal-output`, of which there is never one. */
export class TerminalOutput {}

/** Binding of `wasi:cli/terminal-input` and `wasi:cli/terminal-output`: resources without functions. */
export function createTerminals(): Binding {
  return { resources: { TerminalInput, TerminalOutput }, functions: {} };
}

/** Binding of `wasi:cli/terminal-stdin|stdout|stderr`: no stream is a terminal. */
export function createNoTerminal(): Binding {
  const none = () => undefined;
  return {
    resources: {},
    functions: { getTerminalStdin: none, getTerminalStdout: none, getTerminalStderr: none },
  };
}
