/** `wasi:sockets/ip-name-lookup`: the broker resolves what the policy names; a literal address is its own answer. */
import type { Binding } from "../binding.ts";
import type { GuestContext } from "../context.ts";
import { GuestError } from "../guard.ts";
import { Pollable, type Readiness, readinessOf } from "./poll.ts";
import { addressOf, type IpAddress } from "./sockets-address.ts";

/** A host name, or dotted decimal. */
const NAME = /^[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?$/;
const IPV4 = /^((25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])(\.(?!$)|$)){4}$/;
/** One spelling of IPv6, since the answer is made of it here: no embedded dotted quad, no zone. */
const IPV6 =
  /^(([0-9a-f]{1,4}:){7}[0-9a-f]{1,4}|(?=(.{2,39})$)(?!.*::.*::)([0-9a-f]{1,4}(:[0-9a-f]{1,4}){0,6})?::([0-9a-f]{1,4}(:[0-9a-f]{1,4}){0,6})?)$/i;

/** Resource `resolve-address-stream`. */
export class ResolveAddressStream {
  readonly #state: { readonly readiness: Readiness; addresses: IpAddress[]; failure: unknown };

  constructor(answer: Promise<readonly string[]>) {
    const state = {
      readiness: readinessOf(Promise.resolve()),
      addresses: [] as IpAddress[],
      failure: undefined as unknown,
    };
    state.readiness = readinessOf(
      answer.then(
        (texts) => {
          state.addresses = texts.map(addressOf);
        },
        (error: unknown) => {
          state.failure = error;
        },
      ),
    );
    this.#state = state;
  }

  resolveNextAddress(): IpAddress | undefined {
    const { readiness, failure, addresses } = this.#state;
    if (!readiness.isReady()) throw new GuestError("would-block");
    if (failure !== undefined) throw failure;
    return addresses.shift();
  }

  subscribe(): Pollable {
    return new Pollable(this.#state.readiness);
  }
}

/** Binding of `wasi:sockets/ip-name-lookup`. */
export function createIpNameLookup(context: GuestContext): Binding {
  return {
    resources: { ResolveAddressStream },
    functions: {
      resolveAddresses(_network: unknown, name: string): ResolveAddressStream {
        return new ResolveAddressStream(resolveName(context, name));
      },
    },
  };
}

/**
 * Looks a name up.
 *
 * @param called what the broker is told beside it
 * @returns addresses, as the broker writes them
 * @throws {GuestError} with a word of `network.error-code`
 */
export async function resolveName(
  context: GuestContext,
  name: string,
  called: { readonly wasi?: string } = {},
): Promise<readonly string[]> {
  if (IPV4.test(name) || (IPV6.test(name) && addressOf(name).val.length === 8)) return [name];
  // Names of other scripts come in punycode or not at all: two spellings of one name are two chances to be misread.
  if (!NAME.test(name)) throw new GuestError("invalid-argument");
  const { value } = await context.call("sockets/resolve", { name, ...called });
  return value as readonly string[]; // From the broker, which is ours.
}
