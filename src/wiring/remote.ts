/** What the command line asks of a gateway that runs, over HTTP and through the one way out. */
import { createOutgoing } from "../broker/index.ts";
import type { GatewayAnswer } from "../cli/index.ts";
import type { Runtime } from "../ports/index.ts";

/** A reload makes tools ready before it answers. */
const TIMEOUT_MS = 300_000;
const MOST_BYTES = 4 * 1024 * 1024;
/** Whoever runs the command line names the place himself: no address of it is closed to him. */
const ANYWHERE = ["0.0.0.0/0", "::/0"];

/**
 * Posts an empty object.
 *
 * @param key goes along as a bearer credential, and is in no message
 * @throws {Error} when nobody answers
 */
export async function askGateway(runtime: Runtime, url: string, key: string): Promise<GatewayAnswer> {
  const outgoing = createOutgoing({ clock: runtime.clock, resolver: runtime.resolver });
  return await outgoing.post(url, "{}", {
    timeoutMs: TIMEOUT_MS,
    maxBytes: MOST_BYTES,
    allowAddresses: ANYWHERE,
    contentType: "application/json",
    headers: [["authorization", `Bearer ${key}`]],
  });
}
