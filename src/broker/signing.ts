/**
 * `signing` and `reveal`: what may be done with a secret besides sending it where it belongs. The policy names each
 * operation; every use is an event, and what is signed is named by its digest, never shown.
 */
import { z } from "zod";
import { sha256Hex } from "../core/digest.ts";
import type { SecretOperation } from "../core/policy/index.ts";
import type { HostReply } from "../ports/index.ts";
import { type Capability, grantOf, parseArgs, type RunContext } from "./capability.ts";
import { visible } from "./egress/index.ts";
import type { SecretProfile } from "./profiles.ts";

const MOST_BYTES = 1024 * 1024;
const MOST_MESSAGES = 16;

const nameArgs = z.strictObject({ name: z.string() });
const hmacArgs = z.strictObject({
  name: z.string(),
  prefix: z.string(),
  lengths: z.array(z.int().nonnegative()),
});

/** Makes both capabilities live for one run. */
export function createSigning(context: RunContext): Capability {
  const { book, grants } = context;
  const signing = grantOf(grants, "signing");
  const reveal = grantOf(grants, "reveal");

  /** The profile, if the operation is granted for a handle of this name; the event is written either way. */
  function permit(
    name: string,
    operation: SecretOperation,
    what: string | undefined,
  ): SecretProfile | undefined {
    const import_ = operation === "reveal" ? "writ:host/reveal#reveal" : `writ:host/signing#${operation}`;
    const granted =
      operation === "reveal"
        ? reveal?.profile
        : signing?.operations.includes(operation)
          ? signing.profile
          : undefined;
    const event = { import: import_, target: visible(name.slice(0, 64)).slice(0, 200) };
    if (granted === undefined || granted !== name) {
      book.write({ ...event, effect: "denied", clause: "secret_operations" });
      return undefined;
    }
    const written = book.write({
      ...event,
      effect: "allowed",
      clause: "secret_operations",
      ...(what === undefined ? {} : { result: what }),
    });
    return written === undefined ? undefined : context.profile(granted);
  }

  return {
    calls: {
      "signing/hmac-sha256": async (args, body) => {
        const { name, prefix, lengths } = parseArgs(hmacArgs, args);
        if (
          lengths.length === 0 ||
          lengths.length > MOST_MESSAGES ||
          body.length > MOST_BYTES ||
          prefix.length > 64
        )
          return refuse("too-large");
        const profile = permit(name, "hmac-sha256", `of sha256 ${sha256Hex(body)}`);
        if (profile === undefined) return refuse("not-permitted");
        if (profile.key !== undefined) return refuse("unsupported");
        let key: Uint8Array = new TextEncoder().encode(prefix + profile.secret.reveal());
        let offset = 0;
        for (const length of lengths) {
          key = await hmac(key, body.subarray(offset, offset + length));
          offset += length;
        }
        return { kind: "ok", value: null, body: key };
      },
      "signing/sign": async (args, body) => {
        const { name } = parseArgs(nameArgs, args);
        if (body.length > MOST_BYTES) return refuse("too-large");
        const profile = permit(name, "sign", `of sha256 ${sha256Hex(body)}`);
        if (profile === undefined) return refuse("not-permitted");
        const { key } = profile;
        if (key === undefined) return refuse("unsupported");
        const algorithm =
          key.algorithm.name === "Ed25519" ? { name: "Ed25519" } : { name: "ECDSA", hash: "SHA-256" };
        const signature = await crypto.subtle.sign(algorithm, key, Uint8Array.from(body));
        return { kind: "ok", value: null, body: new Uint8Array(signature) };
      },
      "reveal/reveal": (args) => {
        const { name } = parseArgs(nameArgs, args);
        const profile = permit(name, "reveal", undefined);
        return profile === undefined
          ? refuse("not-permitted")
          : { kind: "ok", value: profile.secret.reveal() };
      },
    },
  };
}

async function hmac(key: Uint8Array, message: Uint8Array): Promise<Uint8Array> {
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const imported = await crypto.subtle.importKey("raw", Uint8Array.from(key), algorithm, false, ["sign"]);
  return new Uint8Array(await crypto.subtle.sign("HMAC", imported, Uint8Array.from(message)));
}

function refuse(tag: string): HostReply {
  return { kind: "error", error: { tag } };
}
