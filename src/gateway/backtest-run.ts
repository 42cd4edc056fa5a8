/**
 * Runs a journaled run again under another policy: with the replies that the journal has, as far as the new policy
 * allows what they are the replies to, and with the new budgets. What the guest then asks that the journal does not
 * have, nobody can answer: from there on nothing is known.
 */
import { importCalled, permitRequest, type SocketPermit, SocketPermits } from "../broker/index.ts";
import { canonicalJson } from "../core/digest.ts";
import type { Journal, JournaledCall } from "../core/journal/index.ts";
import type { Outcome } from "../core/manifest/index.ts";
import type { JsonValue, Policy } from "../core/policy/index.ts";
import type { HostCall, HostReply, RunHost, Sandbox } from "../ports/index.ts";
import { type ReplayedTool, replayRun, withoutSecret } from "./replay.ts";

/** What came of it. */
export interface RunAgain {
  /** Undefined when it came to a place that the journal does not know. */
  readonly outcome: Outcome | undefined;
  /** The first thing that was given then and is not now. */
  readonly denied?: { readonly clause: string; readonly target: string };
  /** What the journal has no reply to. */
  readonly unknown?: string;
}

/**
 * Runs it.
 *
 * @param journal of kind `full`, of a run that was begun
 * @throws {GatewayError} `component-refused`, `sandbox-unavailable`
 * @throws {RangeError} when the journal is not one that can be run again
 */
export async function runAgain(
  sandbox: Sandbox,
  tool: ReplayedTool,
  journal: Journal,
  policy: Policy,
): Promise<RunAgain> {
  const host = new BacktestHost(journal, policy);
  const run = replayRun(tool, journal, host);
  if (run.inputs?.kind !== "replay") throw new TypeError("A replay has inputs");
  const end = await sandbox.run({
    ...run,
    fuel: policy.budget.fuel,
    memoryBytes: policy.budget.memory_bytes,
    outputBytes: policy.budget.output_bytes,
    inputs: { ...run.inputs, lenient: true },
  });
  const { denial, unknown } = host;
  const known =
    unknown === undefined && !(end.outcome.kind === "trapped" && end.outcome.reason === "replay-ended");
  return {
    outcome: known ? withoutSecret(end.outcome, journal.end) : undefined,
    ...(host.denied === undefined ? {} : { denied: host.denied }),
    ...(known ? {} : { unknown: unknown ?? denial?.target ?? "what it waits for" }),
  };
}

const OK: HostReply = { kind: "ok", value: null };
/** Calls whose reply says nothing: a guest may make more of them than it did. */
const UNANSWERED: ReadonlySet<string> = new Set([
  "log/write",
  "stdio/write",
  "http-client/close",
  "sockets/close",
  "sockets/end",
  "filesystem/over-quota",
  "refused/called",
]);
const OVER: HostReply = { kind: "stop", outcome: { kind: "trapped", reason: "replay-ended" } };

/** Answers from a journal what a policy allows. */
class BacktestHost implements RunHost {
  readonly events = [];
  readonly usage = { egress_bytes: 0, requests: 0, log_bytes: 0 };
  readonly diagnostics = [];
  denied: RunAgain["denied"];
  unknown: string | undefined;
  readonly #policy: Policy;
  readonly #left: JournaledCall[];
  readonly #denialThen: RunHost["denial"];
  readonly #sockets: SocketPermits;
  #deniedImport = importCalled("request", undefined);
  #requests = 0;

  constructor({ calls, end }: Journal, policy: Policy) {
    this.#policy = policy;
    this.#sockets = new SocketPermits(policy.sockets ?? []);
    this.#left = [...calls];
    this.#denialThen = end.denial;
  }

  /** What decides between `failed` and `denied-import`: a denial of now, or the one of then that nothing has changed. */
  get denial(): RunHost["denial"] {
    return this.denied === undefined
      ? this.#denialThen
      : { import: this.#deniedImport, target: this.denied.target };
  }

  async call(call: HostCall): Promise<HostReply> {
    if (this.unknown !== undefined) return OVER;
    const at = this.#left.findIndex((candidate) => isSame(candidate, call));
    const then = this.#left[at]?.reply;
    const reply = this.#answer(call, then);
    if (reply === undefined && UNANSWERED.has(call.name)) return OK;
    if (reply === undefined) {
      this.unknown = `${call.name} ${canonicalJson(call.args).slice(0, 200)}`;
      return OVER;
    }
    if (at >= 0) this.#left.splice(at, 1);
    return reply;
  }

  close(): void {}

  /** @returns undefined where the new policy allows what was denied then, or never asked */
  #answer({ name, args }: HostCall, then: HostReply | undefined): HostReply | undefined {
    if (name === "http-client/send") return this.#judge(args, then);
    // Of the journal, or of the executor that repeats it: they have the form that the broker takes.
    if (name === "sockets/resolve") {
      const host = (args as { readonly name: string }).name.toLowerCase();
      const reply = this.#judgeSocket(
        importCalled("look-up", versionOf(args)),
        this.#sockets.lookUp(host),
        then,
      );
      if (reply?.kind === "ok") this.#sockets.remember(host, reply.value as readonly string[]);
      return reply;
    }
    if (name !== "sockets/connect") return then;
    const { address, port } = args as { readonly address: string; readonly port: number };
    return this.#judgeSocket(
      importCalled("connection", versionOf(args)),
      this.#sockets.connection(address, port),
      then,
    );
  }

  #judgeSocket(name: string, permit: SocketPermit, then: HostReply | undefined): HostReply | undefined {
    const { allowed, clause, target } = permit;
    const denied = then?.kind === "error" && then.error === "access-denied";
    if (allowed) return denied ? undefined : (this.#countRequest() ?? then);
    if (denied) return then;
    this.#deniedImport = this.denied === undefined ? name : this.#deniedImport;
    this.denied ??= { clause, target };
    return { kind: "error", error: "access-denied" };
  }

  /** @returns the end of a run that makes more of them than it may */
  #countRequest(): HostReply | undefined {
    this.#requests += 1;
    if (this.#requests <= this.#policy.budget.requests) return undefined;
    return { kind: "stop", outcome: { kind: "exhausted", budget: "requests" } };
  }

  /** @returns undefined where the new policy allows what was denied then, or never asked */
  #judge(args: JsonValue, then: HostReply | undefined): HostReply | undefined {
    // Of the journal, or of the executor that repeats it: it has the form that the broker takes.
    const raw = args as unknown as Parameters<typeof permitRequest>[1];
    const permit = permitRequest(this.#policy.network_allowlist, raw);
    const denied = then !== undefined && wasDenied(then);
    if (permit.kind === "denied") {
      if (denied) return then;
      if (this.denied === undefined) this.#deniedImport = importCalled("request", versionOf(args));
      this.denied ??= { clause: permit.clause, target: permit.label };
      return { kind: "error", error: { ...permit.word } };
    }
    // Allowed by now: nobody knows what the world would have said.
    return this.#countRequest() ?? (denied ? undefined : then);
  }
}

/** The version of WASI that a call came by, which is in the form that the broker takes. */
function versionOf(args: JsonValue): string | undefined {
  return (args as { readonly wasi?: string }).wasi;
}

function wasDenied(reply: HostReply): boolean {
  if (reply.kind !== "error" || typeof reply.error !== "object" || reply.error === null) return false;
  return "tag" in reply.error && reply.error.tag === "HTTP-request-denied";
}

function isSame(journaled: JournaledCall, call: HostCall): boolean {
  return (
    journaled.name === call.name &&
    canonicalJson(journaled.args) === canonicalJson(call.args) &&
    journaled.body.length === call.body.length &&
    journaled.body.every((byte, index) => byte === call.body[index])
  );
}
