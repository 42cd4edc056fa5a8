/**
 * The executor pool: processes, each of which belongs to one tenant from its first run to its end, so that a guest who
 * breaks out of one finds only his own tenant's runs there. One run computes in each at a time, and those that compute
 * for long do so in turns; runs that wait for a host call or a clock cost it no more than their memory.
 *
 * How many processes there are: `size` in ordinary times, `spares` of them beyond that which belong to nobody, so that
 * a tenant who comes while others spin finds one that is ready, and at most `most`, whoever wants what.
 */
import { GatewayError } from "../core/errors.ts";
import type { Clock } from "../ports/index.ts";
import { createCrowd } from "./crowd.ts";
import type { ExecutorLink } from "./link.ts";
import { createTurns, type Waiter } from "./turns.ts";

/** An executor on loan. */
export interface Loan {
  readonly link: ExecutorLink;
  /** Gives it back. `reusable: false`: it takes no other run, and is killed and replaced once its last one has ended. */
  end(reusable: boolean): void;
}

/** What a caller needs. */
export interface Need {
  readonly tenant: string;
  /** What the run may hold: an executor is given only as many runs as it has memory for. */
  readonly memoryBytes: number;
  /** No other run beside it: for one that was lost with its executor once. */
  readonly alone: boolean;
  /** Of the prepared component: an executor that has it already is taken first. */
  readonly key: string;
}

/** How large a pool is. */
export interface PoolOptions {
  /** Processes kept alive. */
  readonly size: number;
  /** Processes beyond `size` that are kept ready for a tenant who has none. Default 0. */
  readonly spares?: number;
  /** Most processes that are given runs at once. Default twice `size`, and the spares. */
  readonly most?: number;
  /** Callers that may wait at once. */
  readonly queue: number;
  /** Runs under way in one executor, those that wait included. Default 1000. */
  readonly runs?: number;
  /** Memory granted to the runs under way in one executor, together. Default 8 GiB. */
  readonly memoryBytes?: number;
  /** Turns of a tenant for each turn of one of weight 1; default 1 for everyone. */
  readonly weightOf?: (tenant: string) => number;
  /** Gives an executor that belongs to nobody what its first run may need; see `warm-up.ts`. Default nothing. */
  readonly warmUp?: (link: ExecutorLink, isFree: () => boolean) => void;
}

/** The pool. */
export interface Pool {
  /** One that is free for it now, when nobody waits before it. @returns undefined when there is none: then it may wait */
  take(need: Need): Loan | undefined;
  /**
   * @param waitMs longest wait for an executor
   * @throws {GatewayError} `sandbox-unavailable`
   */
  borrow(need: Need, waitMs: number): Promise<Loan>;
  /** Kills everything; whoever waits is refused. */
  close(): Promise<void>;
}

/** How long a tenant may keep an executor from one that has none, if it always has another run for it. */
const LONGEST_TURN_MS = 100;
/** How long an executor beyond `size` is kept that nobody uses. */
const LONGEST_IDLE_MS = 10_000;
const RUNS_PER_EXECUTOR = 1000;
/** Runs that compute in one executor at once, in turns: each makes the others' rounds longer by its turn. */
const MOST_SHARING = 4;
const MEMORY_PER_EXECUTOR = 8 * 1024 * 1024 * 1024;

interface Member {
  readonly link: ExecutorLink;
  tenant: string | undefined;
  readonly loans: Set<Need>;
  grantedBytes: number;
  ready: boolean;
  idleSinceMs: number;
  /** Takes no other run. */
  retired: boolean;
}

interface Caller extends Waiter {
  readonly need: Need;
  readonly grant: (loan: Loan) => void;
  readonly refuse: (error: Error) => void;
}

/**
 * @param start starts one executor; `changed` is for it to tell that a run begins or ceases to wait, `isCrowded` says
 *   whether others than its tenant have asked for an executor lately
 */
export function createPool(
  options: PoolOptions,
  start: (changed: () => void, isCrowded: () => boolean) => ExecutorLink,
  clock: Clock,
): Pool {
  const { size, spares = 0, most = 2 * size + spares } = options;
  const { runs = RUNS_PER_EXECUTOR, memoryBytes = MEMORY_PER_EXECUTOR, warmUp } = options;
  /** Those that take runs. One that is retired lives on beside them until its last run has ended. */
  const members = new Set<Member>();
  const retired = new Set<Member>();
  /** Every process that was started and is not gone, those that were killed and are still dying among them. */
  const alive = new Set<ExecutorLink>();
  const turns = createTurns<Caller>(options.queue, options.weightOf);
  const crowd = createCrowd(clock);
  let closed = false;
  let failing = false;
  let sweeping = false;

  fill();

  /** Keeps as many as there should be. */
  function fill(): void {
    while (members.size < wanted() && mayStart()) add();
  }

  /** Those that are still dying count too: kills that come faster than deaths start no more than a machine can hold. */
  function mayStart(): boolean {
    return !closed && !failing && members.size < most && alive.size < 2 * most;
  }

  function wanted(): number {
    let claimed = 0;
    for (const { tenant } of members) if (tenant !== undefined) claimed += 1;
    return Math.max(size, claimed + spares);
  }

  function add(): void {
    // A run that waits may make room for whoever waits for an executor; it changes nothing else.
    const changed = () => turns.size > 0 && serve();
    const link = start(changed, () => crowd.isBeside(member.tenant));
    const member: Member = {
      link,
      tenant: undefined,
      loans: new Set(),
      grantedBytes: 0,
      ready: false,
      idleSinceMs: clock.monotonicMs(),
      retired: false,
    };
    members.add(member);
    alive.add(link);
    link.greeting.then(
      () => {
        member.ready = true;
        serve();
        warmUp?.(link, () => member.tenant === undefined && !member.retired && !link.dying);
      },
      () => {
        // A start that fails again and again is slowed down.
        failing = true;
        clock.after(500, () => {
          failing = false;
          fill();
        });
      },
    );
    void link.exited.then(() => {
      alive.delete(link);
      members.delete(member);
      retired.delete(member);
      fill();
      serve();
    });
  }

  /** Takes it out of service; dead at once when nothing runs in it. */
  function retire(member: Member): void {
    if (!alive.has(member.link)) return;
    if (!member.retired) {
      member.retired = true;
      members.delete(member);
      retired.add(member);
      // What tenants leave behind is bounded too: the oldest goes, and its runs with it.
      const [oldest] = retired;
      if (retired.size > most) oldest?.link.kill();
    }
    if (member.loans.size === 0) member.link.kill();
    fill();
  }

  function lend(member: Member, need: Need): Loan {
    member.tenant = need.tenant;
    member.loans.add(need);
    member.grantedBytes += need.memoryBytes;
    let ended = false;
    return {
      link: member.link,
      end(reusable) {
        if (ended) return;
        ended = true;
        member.loans.delete(need);
        member.grantedBytes -= need.memoryBytes;
        if (!reusable || member.retired || member.link.worn) retire(member);
        else if (member.loans.size === 0) {
          member.idleSinceMs = clock.monotonicMs();
          sweepLater();
        }
        serve();
      },
    };
  }

  /** Ends what nobody has used for a while and ordinary times do not need. */
  function sweepLater(): void {
    if (sweeping || members.size <= size) return;
    sweeping = true;
    clock.after(LONGEST_IDLE_MS, () => {
      sweeping = false;
      for (const member of members) {
        if (members.size <= size) return;
        const idleMs = clock.monotonicMs() - member.idleSinceMs;
        if (member.tenant !== undefined && member.loans.size === 0 && idleMs >= LONGEST_IDLE_MS)
          retire(member);
      }
      sweepLater();
    });
  }

  function isNeeded({ tenant }: Member): boolean {
    return turns.heads().some((caller) => caller.tenant === tenant);
  }

  /**
   * Whether a run can begin in it now: its memory is enough, and its processor free, or nothing computes there but what
   * lets others go between its turns.
   */
  function roomIn({ loans, link, grantedBytes }: Member, need: Need): "free" | "shared" | "none" {
    if (loans.size === 0) return "free";
    if (need.alone || loans.size >= runs || grantedBytes + need.memoryBytes > memoryBytes) return "none";
    if (loans.size > link.waiting + link.sharing || link.sharing >= MOST_SHARING) return "none";
    for (const loan of loans) if (loan.alone) return "none";
    return link.sharing > 0 ? "shared" : "free";
  }

  /** The tenant's own executor, or one that belongs to nobody yet; else one of its own where others compute in turns. */
  function findFree(need: Need): Member | undefined {
    let unclaimed: Member | undefined;
    let claimed = 0;
    let best: Member | undefined;
    let shared: Member | undefined;
    for (const member of members) {
      if (member.link.dying) continue;
      if (member.tenant === undefined) {
        if (unclaimed === undefined || suits(member, need) > suits(unclaimed, need)) unclaimed = member;
        continue;
      }
      claimed += 1;
      if (member.tenant !== need.tenant) continue;
      const room = roomIn(member, need);
      if (room === "free" && (best === undefined || isBetter(member, best, need))) best = member;
      if (room === "shared" && (shared === undefined || member.link.sharing < shared.link.sharing))
        shared = member;
    }
    if (best !== undefined) return best;
    // The last ones are for tenants who have none: a burst takes as many as there are in ordinary times.
    const mayClaim = unclaimed !== undefined && (claimed < size || !owns(need.tenant));
    return mayClaim ? unclaimed : shared;
  }

  function owns(tenant: string): boolean {
    for (const member of members) if (member.tenant === tenant) return true;
    return false;
  }

  function serve(): void {
    while (turns.size > 0) {
      for (;;) {
        const caller = turns.next(({ need }) => findFree(need) !== undefined);
        const member = caller === undefined ? undefined : findFree(caller.need);
        if (caller === undefined || member === undefined) break;
        caller.grant(lend(member, caller.need));
      }
      if (!turns.heads().some((caller) => !owns(caller.tenant) && makeRoomFor(caller))) break;
    }
    fill();
  }

  /**
   * A tenant waits and has no executor. One more is started for it; where no more may be, an idle one of another tenant
   * is replaced by a new one: at once when that tenant does not need it, else only after a while, for a replacement
   * costs more than most runs do.
   *
   * @returns whether there is one now
   */
  function makeRoomFor(caller: Caller): boolean {
    if (mayStart()) {
      add();
      return true;
    }
    if (members.size < most) return false;
    let idle: Member | undefined;
    for (const member of members) {
      if (member.loans.size === 0 && (idle === undefined || (isNeeded(idle) && !isNeeded(member))))
        idle = member;
    }
    if (idle === undefined) return false;
    const patient = clock.monotonicMs() - caller.sinceMs < LONGEST_TURN_MS;
    if (patient && isNeeded(idle)) return false;
    retire(idle);
    return true;
  }

  function take(need: Need): Loan | undefined {
    if (closed) return undefined;
    crowd.asks(need.tenant);
    const free = turns.size === 0 ? findFree(need) : undefined;
    if (free === undefined) return undefined;
    const loan = lend(free, need);
    fill();
    return loan;
  }

  return {
    take,
    borrow(need, waitMs) {
      if (closed) return Promise.reject(unavailable("the pool is closed"));
      const free = take(need);
      if (free !== undefined) return Promise.resolve(free);
      return new Promise((resolve, reject) => {
        const caller: Caller = {
          tenant: need.tenant,
          need,
          sinceMs: clock.monotonicMs(),
          grant(loan) {
            cancel();
            resolve(loan);
          },
          refuse(error) {
            cancel();
            reject(error);
          },
        };
        const cancel = clock.after(waitMs, () => {
          turns.leave(caller);
          reject(unavailable(`none became free within ${Math.round(waitMs)} ms`));
        });
        turns.join(caller)?.refuse(unavailable(`${turns.size} callers wait already`));
        serve();
      });
    },
    async close() {
      closed = true;
      for (const caller of turns.clear()) caller.refuse(unavailable("the gateway is stopping"));
      const endings = [...alive].map((link) => {
        link.kill();
        return link.exited;
      });
      await Promise.all(endings);
    },
  };
}

/** Of executors that belong to nobody: one that has the component before one that is ready before one that starts. */
function suits({ link, ready }: Member, { key }: Need): number {
  return link.knows(key) ? 2 : ready ? 1 : 0;
}

/** Of a tenant's own executors: the one with fewer runs, and of those with as many, one that has the component. */
function isBetter(a: Member, b: Member, { key }: Need): boolean {
  if (a.loans.size !== b.loans.size) return a.loans.size < b.loans.size;
  return a.link.knows(key) && !b.link.knows(key);
}

function unavailable(why: string): GatewayError {
  return new GatewayError(`Cannot borrow an executor: ${why}`, {
    code: "sandbox-unavailable",
    retryAfterSeconds: 1,
  });
}
