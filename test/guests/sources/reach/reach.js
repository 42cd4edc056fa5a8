import { getArguments, getEnvironment, initialCwd } from "wasi:cli/environment@0.2.12";
import { get, getAll } from "wasi:config/store@0.2.0-rc.1";
import { log } from "wasi:logging/logging@0.1.0-draft";

export const reach = {
  startedWith: () => [getEnvironment(), getArguments(), initialCwd()],
  configured: (key) => [get(key), getAll()],
  note: (level, context, message) => log(level, context, message),
};
