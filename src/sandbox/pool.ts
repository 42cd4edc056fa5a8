/**
 * The executor pool: a fixed number of processes, each of which belongs to one tenant from its first run to its
 * end, so that a guest who breaks out of one finds only his own tenant's runs there.
 */
import { GatewayError } from "../core/errors.ts";
import type { Clock } from "../ports/index.ts";
import type { ExecutorLink } from "./link.ts";

/** An executor on loan. */
export interface Loan {
  readonly link: ExecutorLink;
  /** Gives it back. `reusable: false` kills and replaces it. */
  end(reusable: boolean): void;
}

/** The pool. */
export interface Pool {
  /**
   * @param waitMs longest wait for an executor
   * @throws {GatewayError} `sandbox-unavailable`
   */
  borrow(tenant: string, waitMs: number): Promise<Loan>;
  /** Kills everything; whoever waits is refused. */
  close(): Promise<void>;
}

/** How long a tenant may keep an executor from one that has none, if it always has another run for it. */
const LONGEST_TURN_MS = 100;

interface Member {
  readonly link: ExecutorLink;
  tenant: string | undefined;
  busy: boolean;
}

interface Waiter {
  readonly tenant: string;
  readonly sinceMs: number;
  readonly grant: (loan: Loan) => void;
  readonly refuse: (error: Error) => void;
}

/**
 * @param options `size`: processes kept alive; `queue`: callers that may wait at once
 * @param start starts one executor
 */
export function createPool(
  options: { readonly size: number; readonly queue: number },
  start: () => ExecutorLink,
  clock: Clock,
): Pool {
  const members = new Set<Member>();
  /** In the order of arrival; {@link nextWaiter} takes turns between tenants. */
  const waiters: Waiter[] = [];
  let lastServed: string | undefined;
  /** An idle executor was killed to make room, and its place is not yet taken. */
  let replacing = false;
  let closed = false;

  /** Every process that was started and is not gone, those that were killed and are still dying among them. */
  const alive = new Set<ExecutorLink>();

  for (let index = 0; index < options.size; index++) add();

  function add(): void {
    if (closed) return;
    const member: Member = { link: start(), tenant: undefined, busy: false };
    members.add(member);
    alive.add(member.link);
    void member.link.exited.then(() => {
      alive.delete(member.link);
      // Whatever it died of: the pool keeps its size. A start that fails again and again is slowed down.
      members.delete(member);
      replacing = false;
      const failedAtStart = member.tenant === undefined;
      if (failedAtStart) clock.after(500, add);
      else add();
      serveWaiters();
    });
    member.link.greeting.then(serveWaiters, () => undefined);
  }

  function lend(member: Member, tenant: string): Loan {
    member.busy = true;
    member.tenant = tenant;
    let ended = false;
    return {
      link: member.link,
      end(reusable) {
        if (ended) return;
        ended = true;
        member.busy = false;
        if (reusable) serveWaiters();
        else {
          members.delete(member);
          member.link.kill();
        }
      },
    };
  }

  /** The tenant's own executor, or one that belongs to nobody yet. */
  function findFree(tenant: string): Member | undefined {
    let unclaimed: Member | undefined;
    for (const member of members) {
      if (member.busy) continue;
      if (member.tenant === tenant) return member;
      if (member.tenant === undefined) unclaimed ??= member;
    }
    return unclaimed;
  }

  function serveWaiters(): void {
    for (;;) {
      const starving = waiters.find((waiter) => waiter.tenant !== lastServed);
      if (starving !== undefined && findFree(starving.tenant) === undefined) makeRoomFor(starving);
      const waiter = nextWaiter();
      const member = waiter === undefined ? undefined : findFree(waiter.tenant);
      if (waiter === undefined || member === undefined) return;
      waiters.splice(waiters.indexOf(waiter), 1);
      lastServed = waiter.tenant;
      waiter.grant(lend(member, waiter.tenant));
    }
  }

  /** The first waiter whose tenant was not served last, so that a burst of one tenant does not starve another. */
  function nextWaiter(): Waiter | undefined {
    const servable = waiters.filter((waiter) => findFree(waiter.tenant) !== undefined);
    return servable.find((waiter) => waiter.tenant !== lastServed) ?? servable[0];
  }

  /**
   * Nothing is free for this waiter: an idle executor of another tenant is replaced by a new one, which belongs to
   * nobody yet. At once when that tenant does not need it; else only after a while, for a replacement costs more
   * than most runs do. One at a time.
   */
  function makeRoomFor(waiter: Waiter): void {
    if (replacing) return;
    const idle = [...members].filter((member) => !member.busy && member.tenant !== undefined);
    const needless = idle.find(({ tenant }) => waiters.every((other) => other.tenant !== tenant));
    const patient = clock.monotonicMs() - waiter.sinceMs < LONGEST_TURN_MS;
    const member = needless ?? (patient ? undefined : idle[0]);
    if (member === undefined) return;
    replacing = true;
    member.busy = true;
    member.link.kill();
  }

  return {
    borrow(tenant, waitMs) {
      if (closed) return Promise.reject(unavailable("the pool is closed"));
      const free = findFree(tenant);
      if (free !== undefined && waiters.length === 0) return Promise.resolve(lend(free, tenant));
      if (waiters.length >= options.queue)
        return Promise.reject(unavailable(`${waiters.length} callers wait already`));
      return new Promise((resolve, reject) => {
        const waiter: Waiter = {
          tenant,
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
          const index = waiters.indexOf(waiter);
          if (index >= 0) waiters.splice(index, 1);
          reject(unavailable(`none became free within ${Math.round(waitMs)} ms`));
        });
        waiters.push(waiter);
        serveWaiters();
      });
    },
    async close() {
      closed = true;
      for (const waiter of waiters.splice(0)) waiter.refuse(unavailable("the gateway is stopping"));
      const endings = [...alive].map((link) => {
        link.kill();
        return link.exited;
      });
      await Promise.all(endings);
    },
  };
}

function unavailable(why: string): GatewayError {
  return new GatewayError(`Cannot borrow an executor: ${why}`, {
    code: "sandbox-unavailable",
    retryAfterSeconds: 1,
  });
}
