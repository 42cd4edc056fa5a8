/** The sandbox: runs prepared components in locked-down executor processes. See `executor/` for the child's code. */
import { toHex } from "../core/digest.ts";
import type { RunInputs } from "../core/journal/index.ts";
import type {
  Clock,
  Entropy,
  ExecutorProcess,
  ExecutorRole,
  Files,
  GuestSettings,
  Isolation,
  Sandbox,
  SandboxEnd,
  SandboxRun,
  SystemCage,
} from "../ports/index.ts";
import { findCage, levelOf } from "./cage.ts";
import type { LinkEnd } from "./flight.ts";
import { createLink } from "./link.ts";
import { concludeRun } from "./outcome.ts";
import type { LoadCommand, RunCommand } from "./pipe/messages.ts";
import { decodeProfile } from "./pipe/profile.ts";
import { createPool, type Loan } from "./pool.ts";
import { createPreparer, type Prepared } from "./prepared.ts";
import { Revocation } from "./revocation.ts";
import { createWarmUp } from "./warm-up.ts";

/** Bytes lifted out of guest memory in one run, over and above what the output may have. */
const LIFTED_BYTES = 64 * 1024 * 1024;
/**
 * Import calls of one run, drops of handles included. Each may leave an object behind in the executor (a handle, a
 * timer, a stream) of about a kilobyte, so this bounds its memory too; wasmtime allows 100,000 handles likewise.
 */
const HOST_CALLS = 100_000;
const LONGEST_QUEUE_WAIT_MS = 10_000;
const NO_SETTINGS: GuestSettings = { environment: [], arguments: [], config: [], roots: [] };

/** What the sandbox is made from. */
export interface SandboxPowers {
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly files: Files;
  readonly spawn: (role: ExecutorRole, cage?: { readonly system: SystemCage }) => ExecutorProcess;
  /** Cages of the system's to try, the strongest first; default `none` alone. */
  readonly cages?: readonly SystemCage[];
  /** Folder of the cache of prepared components. */
  readonly cacheFolder: string;
  /** Executor processes kept alive. */
  readonly executors: number;
  /** Callers that may wait for one. */
  readonly queue: number;
  /** Executors beyond those, kept ready for a tenant who has none; default none. */
  readonly spares?: number;
  /** Most executors that are given runs at once; default twice `executors`, and the spares. */
  readonly most?: number;
  /** Runs under way in one executor, those that wait included; default 1000. */
  readonly runs?: number;
}

/**
 * Finds the strongest cage that holds, starts the pool in it and waits for its first executor, to learn what it really
 * has. No executor that is seen to have less takes a run afterwards: manifests name what holds for all of them.
 *
 * @throws when no executor can be started, or none of the cages holds
 */
export async function createSandbox(powers: SandboxPowers): Promise<Sandbox> {
  const { clock, entropy, files } = powers;
  const cage = await findCage(powers.cages ?? ["none"], (system) => powers.spawn("probe", { system }), clock);
  const preparer = createPreparer({
    clock,
    files,
    folder: powers.cacheFolder,
    spawn: () => powers.spawn("prepare", cage),
  });
  const warmUp = createWarmUp(clock);
  const greeted = Promise.withResolvers<Isolation>();
  let promised: readonly string[] | undefined;
  const pool = createPool(
    { size: powers.executors, warmUp: warmUp.begin, ...powers },
    (changed, isCrowded) => {
      const process = powers.spawn("run", cage);
      const link = createLink(process, clock, {
        changed,
        isCrowded,
        accept({ runtime, verified }) {
          const layers = [...new Set([...verified, ...cage.layers, ...process.view.confinement()])].sort();
          promised ??= layers;
          const { system, refused } = cage;
          greeted.resolve({ level: levelOf(layers), verified: layers, executor: runtime, system, refused });
          return promised.every((layer) => layers.includes(layer));
        },
      });
      link.greeting.catch(greeted.reject);
      return link;
    },
    clock,
  );
  const isolation = await greeted.promise.catch(async (error) => {
    await pool.close();
    throw error;
  });

  async function runIn(
    loan: Loan,
    run: SandboxRun,
    prepared: Prepared,
    leftMs: () => number,
    revocation: Revocation,
  ): Promise<{ readonly end: LinkEnd; readonly inputs?: RunInputs }> {
    const { link } = loan;
    const { key } = prepared;
    const { inputs } = run;
    const { seed, wallMs, timeToLiveMs } =
      inputs?.kind === "replay"
        ? inputs
        : { seed: toHex(entropy.bytes(32)), wallMs: clock.nowMs(), timeToLiveMs: Math.floor(leftMs()) };
    const command: RunCommand = {
      type: "run",
      run: run.run,
      key,
      interface: run.interface,
      function: run.function,
      input: run.input,
      limits: {
        fuel: run.fuel,
        memoryBytes: run.memoryBytes,
        outputBytes: run.outputBytes,
        liftedBytes: LIFTED_BYTES + run.outputBytes,
        hostCalls: HOST_CALLS,
      },
      seed,
      wallMs,
      timeToLiveMs,
      settings: run.settings ?? NO_SETTINGS,
      info: run.info,
      profiled: run.profiled === true,
      ...(inputs && { inputs: inputs.kind === "note" ? inputs : replayOf(inputs) }),
    };
    const load = loadOf(run.component, prepared);
    const { body } = prepared;
    const end = await link.run({ command, load, body, host: run.host, deadlineMs: leftMs(), revocation });
    if (inputs === undefined) return { end };
    const trace = end.kind === "reported" ? end.trace : undefined;
    return { end, inputs: { seed, wallMs, timeToLiveMs, ...(trace && { trace }) } };
  }

  return {
    isolation,
    async prepare(component, memoryBytes, repeatable, relaxedSimd) {
      const prepared = await preparer.prepare(component, memoryBytes, { repeatable, relaxedSimd });
      warmUp.expect(loadOf(component, prepared), prepared.body);
      return { steps: prepared.steps, bytes: prepared.body.length };
    },
    async run(run) {
      const startedAt = clock.monotonicMs();
      const elapsed = () => clock.monotonicMs() - startedAt;
      const leftMs = () => Math.max(1, run.timeToLiveMs - elapsed());
      const { profiled, relaxedSimd } = run;
      const preparedFor = { repeatable: run.inputs !== undefined, profiled, relaxedSimd };
      // Where nothing has to be waited for nothing is: the command is on its way before this function first gives way.
      const prepared =
        preparer.find(run.component, run.memoryBytes, preparedFor) ??
        (await preparer.prepare(run.component, run.memoryBytes, preparedFor));
      if (!run.profiled) warmUp.expect(loadOf(run.component, prepared), prepared.body);
      const revocation = new Revocation(run.onRevoked);
      let queuedMs = 0;
      try {
        for (let alone = false; ; alone = true) {
          const { key } = prepared;
          const need = { tenant: run.tenant, memoryBytes: run.memoryBytes, alone, key };
          let loan = revocation.reason === undefined ? pool.take(need) : undefined;
          if (loan === undefined) {
            const askedAt = clock.monotonicMs();
            const borrowed = pool.borrow(need, Math.min(leftMs(), LONGEST_QUEUE_WAIT_MS));
            loan = await revocation.before(borrowed);
            if (loan === undefined) {
              // Its turn comes all the same, and is given to whoever is next.
              borrowed.then((late) => late.end(true)).catch(() => undefined);
              return notRun(revocation.reason ?? "", elapsed());
            }
            queuedMs += clock.monotonicMs() - askedAt;
          }
          let reusable = false;
          try {
            const { end: seen, inputs } = await runIn(loan, run, prepared, leftMs, revocation);
            const end = afterRevocation(seen, revocation.reason);
            // Lost with its executor, and nobody outside has seen anything of it: it begins again, by itself, so that
            // whatever happens then is its own doing. INVARIANT: a run that asked the broker for anything never does.
            const again = !alone && elapsed() < run.timeToLiveMs && revocation.reason === undefined;
            if (end.kind === "lost" && !end.touched && again) continue;
            // A tool that was stopped is not one whose leavings others should meet.
            reusable = isSafeAfter(end) && revocation.reason === undefined;
            const profile = run.profiled && end.kind === "reported" ? decodeProfile(end.profile) : undefined;
            return {
              ...concludeRun(end, run, elapsed()),
              queuedMs,
              ...(inputs && { inputs }),
              ...(profile && { profile }),
            };
          } finally {
            loan.end(reusable);
          }
        }
      } finally {
        revocation.end();
        run.host.close();
      }
    },
    async close() {
      await Promise.all([pool.close(), preparer.close()]);
    },
  };
}

/** A run that was to end anyway, and went with an executor that was ended for another one, ends for its own reason. */
function afterRevocation(end: LinkEnd, reason: string | undefined): LinkEnd {
  if (end.kind !== "lost" || reason === undefined) return end;
  return { kind: "stopped", outcome: { kind: "revoked", reason } };
}

/** A run that was revoked before it had an executor. */
function notRun(reason: string, wallMs: number): SandboxEnd {
  const outcome = { kind: "revoked", reason } as const;
  return { outcome, fuelUsed: 0, memoryPeakBytes: 0, outputBytes: 0, wallMs };
}

function loadOf({ imports }: SandboxRun["component"], { key, parts }: Prepared): LoadCommand {
  return { type: "load", key, imports, ...parts };
}

function replayOf({ trace, lenient = false }: Extract<SandboxRun["inputs"], { kind: "replay" }>) {
  return { kind: "replay", trace, lenient } as const;
}

/**
 * Whether an executor may have another run of its tenant's. A guest that trapped, or spent what it had, has harmed its
 * own instance and nothing else: the trap has unwound its stacks, nothing enters the instance any more, its memory is
 * not used again. To kill the executor for it would cost the tenant's other tools more than the trap did. What was
 * killed, broke the protocol, or ended in a way that its executor can not explain is another matter.
 */
function isSafeAfter(end: LinkEnd): boolean {
  return end.kind === "unbegun" || (end.kind === "reported" && !end.doubtful);
}
