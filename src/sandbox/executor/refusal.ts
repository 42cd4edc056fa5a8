/**
 * Refusing stubs: what a component imports but is not granted is present and answers no, in the interface's own
 * words where it has words for it. Only where it has none does the guest end, by a real trap.
 */
import type { WitFunction, WitType } from "../../core/component/index.ts";
import type { GuestContext } from "./context.ts";
import { GuestError } from "./guard.ts";

/** Cases that mean "you may not", best first, as the WASI error enums and variants spell them. */
const REFUSING_CASES = [
  "HTTP-request-denied",
  "access-denied",
  "access",
  "not-permitted",
  "not-granted",
  "not-supported",
  "unsupported",
];

/** What is behind a handle of a resource that is refused: no method of an implemented one accepts it. */
const NOTHING: object = Object.freeze(Object.create(null));

/**
 * @param interfaceName as the component spells it; null for a function of the world itself
 * @param func the function to stand in for
 * @returns a function that grants nothing
 */
export function refuse(
  interfaceName: string | null,
  func: WitFunction,
  context: GuestContext,
): () => unknown {
  const { result } = func;
  // A handle without an error beside it, such as `instance-network`: programs take it first and ask what it can do
  // afterwards. It can do nothing, and the call that tries is the one that is refused.
  if (result?.kind === "own" && func.kind === "free") return () => NOTHING;
  const harmless = emptyAnswer(result);
  // "There are none" is a true answer about what was granted, so it is given without making an event of it.
  if (harmless !== undefined) return () => harmless.value;

  const target = `${interfaceName ?? "$root"}#${func.name}`;
  const payload = result?.kind === "result" ? refusingPayload(result.err) : undefined;
  return () => {
    context.send("refused/called", { import: target.slice(0, 200) });
    if (payload !== undefined) throw new GuestError(payload.value);
    context.guard.stop({ kind: "trapped", reason: "refused-import" });
    return context.guard.trap();
  };
}

function emptyAnswer(type: WitType | undefined): { readonly value: unknown } | undefined {
  switch (type?.kind) {
    case "list":
      return { value: [] };
    case "option":
      return { value: undefined };
    default:
      return undefined;
  }
}

function refusingPayload(error: WitType | undefined): { readonly value: unknown } | undefined {
  if (error === undefined) return { value: undefined };
  if (error.kind === "enum") {
    const found = REFUSING_CASES.find((name) => error.cases.includes(name));
    return found === undefined ? undefined : { value: found };
  }
  if (error.kind === "variant") {
    const found = REFUSING_CASES.find((name) =>
      error.cases.some((entry) => entry.name === name && entry.type === undefined),
    );
    return found === undefined ? undefined : { value: { tag: found } };
  }
  return undefined;
}
