/** Failures in words for the operator. Here is the one place where an error becomes lines of standard error. */
import { GatewayError } from "../core/errors.ts";
import { PolicyError } from "../core/policy/index.ts";
import { RegistryError } from "../registry/index.ts";
import { printable } from "./output.ts";
import { UsageError } from "./usage-error.ts";

/**
 * Describes a failure.
 *
 * @param error whatever was thrown
 * @param debug whether the operator asked for stacks, with `WRIT_DEBUG=1`
 * @returns lines; the first begins with `writ: `
 */
export function describeFailure(error: unknown, debug: boolean): readonly string[] {
  const [head = "", ...rest] = linesOf(error);
  // A message may quote a hostile file; a newline in it is the writer's own only where `linesOf` split it.
  const lines = [`writ: ${printable(head)}`, ...rest.map((line) => `  ${printable(line.trim())}`)];
  const stack = error instanceof Error ? (error.stack ?? "").split("\n").map((line) => line.trimEnd()) : [];
  return debug ? [...lines, ...stack] : lines;
}

function linesOf(error: unknown): readonly string[] {
  if (!(error instanceof Error)) return [String(error)];
  if (error instanceof UsageError) return [error.message, ...error.lines];
  if (error instanceof PolicyError || error instanceof RegistryError) {
    return error.message.split("\n");
  }
  if (error instanceof GatewayError) return [error.message, ...faultsOf(error)];
  // These mean a mistake of ours; the rest are systems and engines speaking (a port in use, a source that does
  // not compile).
  const isBug = error instanceof TypeError || error instanceof RangeError || error instanceof ReferenceError;
  if (isBug) return [`Internal error: ${error.message}`, "set WRIT_DEBUG=1 to see where"];
  return error.message.split("\n");
}

/** The members of a refusal that its message does not repeat. */
function faultsOf({ refusal }: GatewayError): readonly string[] {
  switch (refusal.code) {
    case "invalid-request":
      return refusal.errors.map(({ pointer, detail }) => `${pointer === "" ? "/" : pointer} ${detail}`);
    case "reload-refused":
      return refusal.faults.slice(1);
    case "denied":
      return refusal.missing.map((missing) => `missing: ${missing}`);
    default:
      return [];
  }
}
