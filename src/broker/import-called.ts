/**
 * What events call a request, a look-up or a connection: the import that the guest called. Those of WASI 0.2 go by
 * their name alone; WASI 0.3 has other functions for the same, which go with the version that the component spells.
 *
 * Which of the two it was is the executor's word. It chooses between names of one capability and nothing else by it.
 */
import { z } from "zod";

/** The version of WASI 0.3 that a call came by; absent = 0.2. */
export const versionArg = z
  .string()
  .regex(/^0\.3\.\d{1,15}$/)
  .optional();

const CALLED = {
  request: {
    before: "wasi:http/outgoing-handler#handle",
    since: ["wasi:http/client", "send"],
  },
  "look-up": {
    before: "wasi:sockets/ip-name-lookup#resolve-addresses",
    since: ["wasi:sockets/ip-name-lookup", "resolve-addresses"],
  },
  connection: {
    before: "wasi:sockets/tcp#[method]tcp-socket.start-connect",
    since: ["wasi:sockets/types", "[method]tcp-socket.connect"],
  },
} as const;

/**
 * Names the import.
 *
 * @param version as {@link versionArg} takes it
 * @returns `<interface>#<function>`, from 0.3 on `<interface>@<version>#<function>`
 */
export function importCalled(what: keyof typeof CALLED, version: string | undefined): string {
  const { before, since } = CALLED[what];
  const [name, func] = since;
  return version === undefined ? before : `${name}@${version}#${func}`;
}
