/** The interfaces of package `writ:host`: log, secrets and run-info. */

import { joinBytes } from "../../core/bytes.ts";
import type { JsonValue } from "../../core/policy/index.ts";
import type { Binding } from "./binding.ts";
import type { GuestContext } from "./context.ts";

/** Binding of `writ:host/log`. */
export function createLog(context: GuestContext): Binding {
  return {
    resources: {},
    functions: {
      async write(entry: { level: string; message: string; fields: [string, string][] }): Promise<void> {
        const { level, message, fields } = entry;
        await context.call("log/write", { level, message, fields });
      },
    },
  };
}

/** Resource `secret`: what the broker said of it, and nothing that could be revealed. */
export class Secret {
  readonly #granted: { readonly name: string; readonly audience: readonly string[] };

  constructor(name: string, audience: readonly string[]) {
    this.#granted = { name, audience };
  }

  name(): string {
    return this.#granted.name;
  }

  audience(): readonly string[] {
    return this.#granted.audience;
  }
}

/** Binding of `writ:host/secrets`. */
export function createSecrets(context: GuestContext): Binding {
  return {
    resources: { Secret },
    functions: {
      async get(name: string): Promise<Secret> {
        const { value } = await context.call("secrets/open", { name });
        return new Secret(name, readAudience(value));
      },
    },
  };
}

/** Binding of `writ:host/signing`. */
export function createSigning(context: GuestContext): Binding {
  return {
    resources: {},
    functions: {
      async hmacSha256(secret: Secret, prefix: string, messages: readonly Uint8Array[]): Promise<Uint8Array> {
        const name = secret.name();
        const lengths = messages.map((message) => message.length);
        const body = joinBytes(
          messages,
          lengths.reduce((sum, length) => sum + length, 0),
        );
        return (await context.call("signing/hmac-sha256", { name, prefix, lengths }, body)).body;
      },
      async sign(secret: Secret, data: Uint8Array): Promise<Uint8Array> {
        return (await context.call("signing/sign", { name: secret.name() }, data)).body;
      },
    },
  };
}

/** Binding of `writ:host/reveal`. */
export function createReveal(context: GuestContext): Binding {
  return {
    resources: {},
    functions: {
      async reveal(secret: Secret): Promise<string> {
        const { value } = await context.call("reveal/reveal", { name: secret.name() });
        return String(value);
      },
    },
  };
}

/** Binding of `writ:host/run-info`. */
export function createRunInfo(context: GuestContext): Binding {
  return {
    resources: {},
    functions: {
      describe() {
        const { info } = context;
        return {
          runId: info.run,
          traceId: info.traceId,
          tool: info.tool,
          function: info.function,
          purpose: info.purpose,
          remainingMs: BigInt(Math.max(0, info.timeToLiveMs - context.elapsedMs())),
          fuelBudget: BigInt(info.fuel),
        };
      },
    },
  };
}

function readAudience(value: JsonValue): readonly string[] {
  if (typeof value !== "object" || value === null || !("audience" in value) || !Array.isArray(value.audience))
    return [];
  return value.audience.filter((origin: JsonValue) => typeof origin === "string");
}
