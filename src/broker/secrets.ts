/**
 * `secrets`: handles of `writ:host/secrets`. A handle names a secret and its audience; no call of this file reveals
 * one, and none may be added: `signing.ts` has what a policy can permit beside. Injection follows the policy, in `http-client.ts`, whether or not a guest
 * ever asks for a handle.
 */
import { z } from "zod";
import { type Capability, grantOf, parseArgs, type RunContext } from "./capability.ts";
import { visible } from "./egress/index.ts";

const IMPORT = "writ:host/secrets#get";

const openArgs = z.strictObject({ name: z.string() });

/** Makes the capability live for one run. */
export function createSecrets({ book, grants, profile }: RunContext): Capability {
  const name = grantOf(grants, "secrets")?.profile;
  const granted = name === undefined ? undefined : profile(name);
  return {
    calls: {
      "secrets/open": (args) => {
        const asked = parseArgs(openArgs, args).name;
        const target = visible(asked.slice(0, 64)).slice(0, 200);
        if (granted === undefined) {
          book.write({ import: IMPORT, effect: "denied", target, clause: "secret_profile" });
          return { kind: "error", error: { tag: "not-granted" } };
        }
        if (asked !== granted.name) {
          book.write({
            import: IMPORT,
            effect: "denied",
            target,
            clause: "secret_profile",
            result: "unknown",
          });
          return { kind: "error", error: { tag: "unknown" } };
        }
        book.write({ import: IMPORT, effect: "allowed", target, clause: "secret_profile" });
        const audience = granted.audience.map((origin) => origin.text);
        return { kind: "ok", value: { name: granted.name, audience } };
      },
    },
  };
}
