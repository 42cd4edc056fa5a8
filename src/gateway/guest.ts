/** Runs the guest of one run to an end that can be sealed, whatever happens. */
import { GatewayError } from "../core/errors.ts";
import type { Outcome } from "../core/manifest/index.ts";
import type { Policy } from "../core/policy/index.ts";
import type { GuestSettings, RunHost, SandboxEnd } from "../ports/index.ts";
import type { JournaledRun } from "./journal.ts";
import type { InvokeParts } from "./parts.ts";
import type { Admission } from "./predicate.ts";

/** An end that can be sealed, always; `refusal` is what the caller is told instead of an answer, once it is. */
export interface Ended {
  readonly end: SandboxEnd;
  readonly refusal?: unknown;
}

/**
 * What a guest without an intent may take to end by itself, as most do: to end one that computes costs its executor, and
 * a disk that fails would cost one for each that asks.
 */
export const LONGEST_UNRECORDED_MS = 100;

/**
 * Runs it, and closes its host.
 *
 * @param inputs what its journal wants to go along
 * @param host serves its calls
 * @param recorded rejects when there is no intent: then it ends before long
 */
export async function runGuest(
  { sandbox, registry, clock }: Pick<InvokeParts, "sandbox" | "registry" | "clock">,
  admission: Admission,
  policy: Policy,
  settings: GuestSettings,
  inputs: JournaledRun["inputs"],
  host: RunHost,
  recorded: Promise<void>,
): Promise<Ended> {
  const { run, principal, tool, callee, request, traceId, beganMs } = admission;
  try {
    const end = await sandbox.run({
      run,
      tenant: principal.tenant,
      component: tool.component,
      interface: callee.interface,
      function: callee.function,
      input: request.input,
      fuel: policy.budget.fuel,
      memoryBytes: policy.budget.memory_bytes,
      outputBytes: policy.budget.output_bytes,
      // Of a run whose time is over before it begins the sandbox says so: it has a millisecond, and ends.
      timeToLiveMs: Math.max(1, policy.max_duration_ms - (clock.monotonicMs() - beganMs)),
      settings,
      info: { traceId, tool: tool.name, purpose: request.purpose },
      relaxedSimd: policy.relaxed_simd === "allow",
      host,
      // The operator's word ends what is under way too, while it waits as well as while it computes.
      onRevoked(revoke) {
        recorded.catch(() => clock.after(LONGEST_UNRECORDED_MS, () => revoke("evidence-unavailable")));
        return registry.onSuspended(tool.name, revoke);
      },
      ...(inputs && { inputs }),
    });
    return { end };
  } catch (refusal) {
    // No executor, or a component that cannot be prepared: nothing ran, and the open intent is closed saying so.
    const reason = refusal instanceof GatewayError ? refusal.code : "internal";
    return { end: notRun({ kind: "revoked", reason }), refusal };
  } finally {
    // Whatever happened: no request of this run outlives it, and the events are complete.
    host.close();
  }
}

function notRun(outcome: Outcome): SandboxEnd {
  return { outcome, fuelUsed: 0, memoryPeakBytes: 0, outputBytes: 0, wallMs: 0 };
}
