/**
 * Everything that must hold before a run: what its policy wants of the machine and of the request, what it claims of the
 * budgets that it shares with others, and its intent.
 */
import type { RunIdentity } from "../accounts/index.ts";
import { claimsNothing } from "../core/budget/index.ts";
import { checkInput } from "../core/component/index.ts";
import { GatewayError } from "../core/errors.ts";
import { ISOLATION_LEVELS, type Policy } from "../core/policy/index.ts";
import type { KnownBeforeRun } from "../evidence/index.ts";
import type { Claimed, GuestSettings, RunClaims, RunHost, Sandbox } from "../ports/index.ts";
import type { ToolCalls } from "./call-tool.ts";
import { type Ended, runGuest } from "./guest.ts";
import { guestSettings } from "./guest-settings.ts";
import { giveHeadStart, type HeadStart } from "./head-start.ts";
import { holdCalls } from "./held-calls.ts";
import type { Trace } from "./ids.ts";
import { beginJournal, type JournaledRun } from "./journal.ts";
import type { Allowed, InvokeParts } from "./parts.ts";
import { type Admission, describeAdmission } from "./predicate.ts";
import type { InvocationRequest } from "./types.ts";

/** A run whose intent is stored, and its guest under way. */
export interface Begun {
  /** What its intent says. */
  readonly known: KnownBeforeRun;
  readonly host: RunHost;
  readonly claimed: Extract<Claimed, { kind: "ok" }>;
  readonly journal: JournaledRun;
  /** How its guest ends. Never rejects. */
  readonly ended: Promise<Ended>;
}

/**
 * Everything that must hold before a run, its intent, and the beginning of its guest, which computes while the intent is being
 * stored (`head-start.ts`), and whose calls wait until it is durable (`held-calls.ts`). What is refused here is no run: the
 * observer is told so.
 *
 * @param observed resolves when the observer has the run; no intent is stored before
 */
export async function begin(
  parts: InvokeParts,
  admission: Admission,
  decision: Allowed,
  observed: Promise<void>,
  calls: ToolCalls,
  identity: RunIdentity,
  claims: RunClaims,
  trace: Trace,
): Promise<Begun> {
  const { accounts, evidence, sandbox, versions } = parts;
  const { host, journal, guest } = await orExclude(parts, admission, async () => {
    const opened = open(parts, admission, decision, calls, identity, trace);
    // Nothing that it could be refused for is shared with others: then its command goes out before anything else is done.
    if (claimsNothing(claims) && evidence.mayAdmit()) opened.guest.begin();
    return opened;
  });
  try {
    await observed;
    const known = describeAdmission(admission, sandbox.isolation, versions, accounts.describeClaims(claims));
    const claimed = await orExclude(parts, admission, async () => {
      // Intent and claims are one write: no run without either, and nothing held for a run that was not let in.
      const answer = await evidence.admit(known, claims, guest.begin);
      if (answer.kind === "refused") throw accounts.refusalOf(answer.refusal, identity);
      return answer;
    });
    return { known, host, claimed, journal, ended: guest.goOn() };
  } catch (error) {
    guest.end(error);
    host.close();
    throw error;
  }
}

/** Tells the observer of a refusal. The caller is refused either way; without the line the run shows as one whose evidence is missing. */
async function orExclude<T>(
  { observer }: InvokeParts,
  { run }: Admission,
  does: () => Promise<T>,
): Promise<T> {
  try {
    return await does();
  } catch (error) {
    const reason = error instanceof GatewayError ? error.code : "internal";
    await observer.excluded(run, reason).catch(() => undefined);
    throw error;
  }
}

/** What a run needs of its policy and its request, and what it is run with. */
function open(
  parts: InvokeParts,
  admission: Admission,
  decision: Allowed,
  calls: ToolCalls,
  identity: RunIdentity,
  trace: Trace,
): { readonly host: RunHost; readonly journal: JournaledRun; readonly guest: HeadStart } {
  const { policy } = decision.record;
  requireIsolation(parts.sandbox, policy);
  requireValidInput(admission);
  requireTask(policy, admission.request);
  const host = openHost(parts, admission, decision, calls, identity, trace);
  // What the policy asks to keep beside digests is noted while it runs.
  const settings = guestSettings(decision.grants, admission.tool.name);
  const journal = beginJournal(parts, admission, decision.record, settings, host);
  const guest = giveHeadStart((recorded) => runHeld(parts, admission, policy, settings, journal, recorded));
  return { host, journal, guest };
}

function requireIsolation(sandbox: Sandbox, policy: Policy): void {
  const { level } = sandbox.isolation;
  if (ISOLATION_LEVELS.indexOf(level) >= ISOLATION_LEVELS.indexOf(policy.isolation_minimum)) return;
  throw new GatewayError(
    `Cannot run "${policy.tool_id}": isolation reached is "${level}", its policy wants "${policy.isolation_minimum}"`,
    { code: "sandbox-unavailable", retryAfterSeconds: 60 },
  );
}

function requireValidInput({ callee, request }: Admission): void {
  const faults = checkInput(callee.function, request.input);
  if (faults.length === 0) return;
  throw new GatewayError(`Cannot invoke "${callee.key}": the input does not match its schema`, {
    code: "invalid-request",
    errors: faults.map(({ pointer, detail }) => ({ pointer: `/input${pointer}`, detail })),
  });
}

/** What the policy requires in the evidence and only the caller can give is asked for before anything runs. */
function requireTask(policy: Policy, request: InvocationRequest): void {
  if (request.task !== undefined || !policy.required_observability_fields.includes("task")) return;
  throw new GatewayError(
    `Cannot run "${policy.tool_id}": its policy requires a task, and the request states none`,
    {
      code: "invalid-request",
      errors: [{ pointer: "/task", detail: "is missing: the policy requires it in the evidence" }],
    },
  );
}

function openHost(
  { accounts, broker, observer, watcher }: InvokeParts,
  admission: Admission,
  decision: Allowed,
  calls: ToolCalls,
  identity: RunIdentity,
  { traceparent }: Trace,
): RunHost {
  const { startedAtMs, principal, tool, run, caller, request } = admission;
  const { policyId, policy } = decision.record;
  const owner = { tenant: principal.tenant, tool: tool.name };
  // Connections are shared by runs of one tenant under one policy, and by no others.
  const pool = `${principal.tenant} ${policyId}`;
  const observe = (target: string) => observer.leaving(run, target);
  const opened = {
    grants: decision.grants,
    owner,
    onSecretEcho: policy.on_secret_echo ?? "redact",
    budget: policy.budget,
    startedAtMs,
    pool,
    observe,
    callTool: calls.call,
    async mayResend() {
      const allowed = await accounts.mayResend(identity, policy);
      watcher?.resent(run, allowed);
      return allowed;
    },
    trace: { traceparent, ...(request.tracestate === undefined ? {} : { tracestate: request.tracestate }) },
  };
  return caller === undefined ? broker.openRun(opened) : caller.open(opened);
}

/**
 * Nobody is answered of a run that was ended because its evidence was in doubt: it is sealed as that, and may be asked for
 * again.
 *
 * @param recorded rejects when there is no intent
 */
async function runHeld(
  parts: InvokeParts,
  admission: Admission,
  policy: Policy,
  settings: GuestSettings,
  { host, inputs }: JournaledRun,
  recorded: Promise<void>,
): Promise<Ended> {
  const held = holdCalls(host, () => recorded.then(() => parts.evidence.syncIntent(admission.run)));
  const ended = await runGuest(parts, admission, policy, settings, inputs, held.host, recorded);
  const failure = held.failure();
  return failure === undefined ? ended : { refusal: failure, ...ended };
}
