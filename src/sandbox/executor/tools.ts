/** `writ:host/tools`: calls to other tools' functions. The broker runs them; here their fuel is taken from the guest. */
import type { JsonValue } from "../../core/policy/index.ts";
import type { Binding } from "./binding.ts";
import type { GuestContext } from "./context.ts";
import { GuestError } from "./guard.ts";

interface ToolCall {
  readonly tool: string;
  readonly function: string;
  readonly input: string;
  readonly purpose?: string;
}

/** What the broker says of a call; it is ours, so a wrong shape is a bug and ends the run. */
interface ToolReply {
  readonly fuel: number;
  readonly result:
    | { readonly ok: { readonly run: string; readonly output: string } }
    | { readonly err: { readonly tag: string; readonly val?: Ending } };
}

interface Ending {
  readonly run: string;
  readonly outcome: string;
  readonly fallback: string | null;
}

/** Binding of `writ:host/tools`. */
export function createTools(context: GuestContext): Binding {
  return {
    resources: {},
    functions: {
      async invoke(call: ToolCall): Promise<{ readonly run: string; readonly output: string }> {
        const { tool, function: name, input, purpose } = call;
        const args: JsonValue = {
          tool,
          function: name,
          input,
          ...(purpose === undefined ? {} : { purpose }),
        };
        const { value } = await context.call("tools/invoke", args);
        const { fuel, result } = value as unknown as ToolReply; // From the broker; see above.
        context.charge(fuel);
        if ("ok" in result) return result.ok;
        const { tag, val } = result.err;
        if (val === undefined) throw new GuestError({ tag });
        throw new GuestError({ tag, val: { ...val, fallback: val.fallback ?? undefined } });
      },
    },
  };
}
