/** `wasi:config/store`: the keys and texts that the policy names, which came along with the run. */
import type { Binding } from "../binding.ts";
import type { GuestContext } from "../context.ts";

/** Binding of `wasi:config/store`. Neither function fails: there is nothing behind it that could. */
export function createConfig({ settings }: GuestContext): Binding {
  return {
    resources: {},
    functions: {
      get: (key: string) => settings.config.find(([name]) => name === key)?.[1],
      getAll: () => settings.config,
    },
  };
}
