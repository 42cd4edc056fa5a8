/** From what the link saw to the outcome that is signed. The executor's word counts for nothing where we know better. */
import { checkValue, type WitFunction } from "../core/component/index.ts";
import { canonicalJson, sha256Hex } from "../core/digest.ts";
import type { Outcome } from "../core/manifest/index.ts";
import type { JsonValue } from "../core/policy/index.ts";
import type { RunHost, SandboxEnd } from "../ports/index.ts";
import type { Death, LinkEnd } from "./flight.ts";
import type { GuestEnd } from "./pipe/messages.ts";

/** A guest's end with a value. */
type Returned = Extract<GuestEnd, { readonly output: JsonValue }>;

/**
 * @param end what the link saw
 * @param run the run's limits and function
 * @param wallMs how long it took, waiting included
 */
export function concludeRun(
  end: LinkEnd,
  run: {
    readonly function: WitFunction;
    readonly outputBytes: number;
    readonly host: RunHost;
    readonly fuel: number;
  },
  wallMs: number,
): SandboxEnd {
  const unknown = { fuelUsed: null, memoryPeakBytes: null, outputBytes: 0, wallMs };
  switch (end.kind) {
    case "killed":
    case "died":
    case "stopped":
    case "protocol":
      return { ...unknown, outcome: outcomeOfDeath(end, wallMs) };
    case "unbegun":
      return { ...unknown, outcome: timedOut(wallMs), fuelUsed: 0, memoryPeakBytes: 0 };
    case "lost":
      return { ...unknown, outcome: { kind: "revoked", reason: reasonOfLoss(end.death) } };
    case "reported": {
      const readings = {
        // Clamped: an executor can lie about its own fuel, but not past what was granted.
        fuelUsed: Math.min(end.fuelUsed, run.fuel),
        memoryPeakBytes: end.memoryPeakBytes,
        wallMs,
      };
      const stop = end.stop ?? (end.expired ? timedOut(wallMs) : undefined);
      const said = stop === undefined ? judge(end.end, run) : { outcome: stop };
      return { ...readings, ...said, outputBytes: said.output === undefined ? 0 : byteLength(said.output) };
    }
  }
}

function outcomeOfDeath(death: Death, wallMs: number): Outcome {
  switch (death.kind) {
    case "died":
      return { kind: "trapped", reason: "executor-died" };
    case "stopped":
      return death.outcome;
    case "protocol":
      return { kind: "revoked", reason: "executor-broke-protocol" };
    case "killed":
      switch (death.why) {
        case "deadline":
          return timedOut(wallMs);
        case "revoked":
          return { kind: "revoked", reason: "gateway-stopping" };
        case "broker-failed":
          return { kind: "revoked", reason: "broker-failed" };
        case "memory":
          return { kind: "exhausted", budget: "resident_bytes" };
      }
  }
}

/** What a run is told that ended because of another one, or of an executor whose end nobody can lay at one's door. */
function reasonOfLoss(death: Death): string {
  return death.kind === "protocol" ? "executor-broke-protocol" : "executor-lost";
}

function timedOut(wallMs: number): Outcome {
  return { kind: "timed-out", afterMs: Math.round(wallMs) };
}

function judge(
  end: GuestEnd,
  run: { readonly function: WitFunction; readonly outputBytes: number; readonly host: RunHost },
): Pick<SandboxEnd, "outcome" | "output" | "returnedHash"> {
  switch (end.kind) {
    case "completed":
    case "failed": {
      const outcome = outcomeOf(end, run.function);
      if (outcome === undefined) return { outcome: { kind: "revoked", reason: "output-not-of-its-type" } };
      if (byteLength(end.output) > run.outputBytes)
        return { outcome: { kind: "exhausted", budget: "output_bytes" } };
      return searched(end, outcome, run);
    }
    case "trapped":
      return { outcome: deniedOr(run.host, { kind: "trapped", reason: end.reason }) };
    case "exhausted":
      return { outcome: { kind: "exhausted", budget: end.budget } };
  }
}

/** What of a returned value is given out: all of it, or what is left when the secrets in it are overwritten, or nothing. */
function searched(
  end: Returned,
  outcome: Outcome,
  run: { readonly function: WitFunction; readonly host: RunHost },
): Pick<SandboxEnd, "outcome" | "output" | "returnedHash"> {
  const { output = end.output, withheld = false } = run.host.release?.(end.output) ?? {};
  const isAsReturned = output === end.output;
  const said = isAsReturned ? outcome : outcomeOf({ ...end, output }, run.function);
  const returned = isAsReturned ? {} : { returnedHash: `sha256:${sha256Hex(canonicalJson(end.output))}` };
  // Overwritten it may be no value of its type any more (bytes, the name of a case), and then nothing is given out.
  if (withheld || said === undefined)
    return { outcome: { kind: "revoked", reason: "secret-echo" }, ...returned };
  return { outcome: end.kind === "failed" ? deniedOr(run.host, said) : said, output, ...returned };
}

/**
 * The executor is not believed: the output must be of the function's type, and must say the same as the end does.
 *
 * @returns undefined when it is not
 */
function outcomeOf(end: Returned, func: WitFunction): Outcome | undefined {
  if (func.result === undefined)
    return end.kind === "completed" && end.output === null ? { kind: "completed" } : undefined;
  if (checkValue(func.result, end.output).length > 0) return undefined;
  if (func.result.kind !== "result") return end.kind === "completed" ? { kind: "completed" } : undefined;
  // Checked to be `{ ok }` or `{ err }` just now.
  const failed = typeof end.output === "object" && end.output !== null && "err" in end.output;
  if (failed !== (end.kind === "failed")) return undefined;
  return failed
    ? { kind: "failed", error: (end.output as { readonly err: JsonValue }).err }
    : { kind: "completed" };
}

/** A run that ends badly after a denial ended because of it, as far as anyone outside can tell. */
function deniedOr(host: RunHost, outcome: Outcome): Outcome {
  const { denial } = host;
  return denial === undefined
    ? outcome
    : { kind: "denied-import", import: denial.import, target: denial.target };
}

function byteLength(value: JsonValue): number {
  return new TextEncoder().encode(JSON.stringify(value)).length;
}
