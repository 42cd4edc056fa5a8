/**
 * Gives executors that belong to nobody yet the components that were used last, so that a tenant's first call finds
 * them compiled: for a large engine that is most of what the call takes. An executor that waits for its tenant has
 * nothing better to do; one that is wanted meanwhile is given no more than what is on its way already.
 *
 * What is loaded is code, the same for every tenant, and holds nothing of any run.
 */
import type { Clock } from "../ports/index.ts";
import { createKept } from "./kept.ts";
import type { ExecutorLink } from "./link.ts";
import type { LoadCommand } from "./pipe/messages.ts";

/** Components that one executor is given ahead of its runs. */
const MOST_COMPONENTS = 8;
/** Their bytes together; it holds somewhat more than as much for them. */
const MOST_BYTES = 64 * 1024 * 1024;
/** An executor is left alone for so long: in a burst it is taken at once. */
const QUIET_MS = 50;

/** What executors are warmed up with. */
export interface WarmUp {
  /** Notes that runs of a component are to be expected. */
  expect(load: LoadCommand, body: Uint8Array): void;
  /**
   * Takes over an executor that has greeted, for as long as it is free.
   *
   * @param isFree whether it still belongs to nobody; asked before each component
   */
  begin(link: ExecutorLink, isFree: () => boolean): void;
}

interface Idle {
  readonly isFree: () => boolean;
  /** What it was given; never more than the limits, however long it waits while others come into use. */
  components: number;
  bytes: number;
  /** Something is on its way to it. */
  loading: boolean;
}

/** @param clock for the moment that an executor is left alone */
export function createWarmUp(clock: Clock): WarmUp {
  const expected = createKept<{ readonly load: LoadCommand; readonly body: Uint8Array }>(
    MOST_BYTES,
    ({ body }) => body.length,
  );
  const idle = new Map<ExecutorLink, Idle>();
  let scheduled = false;

  function later(): void {
    if (scheduled || idle.size === 0) return;
    scheduled = true;
    clock.after(QUIET_MS, () => {
      scheduled = false;
      for (const [link, executor] of idle) void fill(link, executor);
    });
  }

  /** One component after another, the one that was used last first. */
  async function fill(link: ExecutorLink, executor: Idle): Promise<void> {
    if (executor.loading) return;
    executor.loading = true;
    for (const { load, body } of expected.values()) {
      if (!executor.isFree()) break;
      if (link.knows(load.key) || executor.bytes + body.length > MOST_BYTES) continue;
      if (executor.components >= MOST_COMPONENTS) break;
      executor.components += 1;
      executor.bytes += body.length;
      await link.load(load, body);
    }
    executor.loading = false;
    if (!executor.isFree()) idle.delete(link);
  }

  return {
    expect(load, body) {
      const isNew = expected.get(load.key) === undefined;
      if (!isNew) return;
      expected.set(load.key, { load, body });
      later();
    },
    begin(link, isFree) {
      idle.set(link, { isFree, components: 0, bytes: 0, loading: false });
      void link.exited.then(() => idle.delete(link));
      later();
    },
  };
}
