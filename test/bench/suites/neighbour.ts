/**
 * What guests that spin cost another tenant: a tiny run, over and over, alone and beside some that spend all of a large
 * budget at once. Real executors, no gateway around them.
 */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { componentOf } from "../../support/components.ts";
import { ECHO_GUEST, SPIN_GUEST } from "../../support/guests.ts";
import { openSandbox } from "../../support/sandbox.ts";
import { rowOf } from "../harness.ts";
import { median, quantile } from "../stats.ts";
import type { Suite } from "../suite.ts";

/** Who spins beside the one that is measured: how many guests, of how many other tenants. */
const LOUD = [
  { name: "alone", guests: 0, tenants: 1 },
  { name: "beside 1 that spins", guests: 1, tenants: 1 },
  { name: "beside 2", guests: 2, tenants: 1 },
  { name: "beside 4", guests: 4, tenants: 1 },
  { name: "beside 4 of two tenants", guests: 4, tenants: 2 },
] as const;
/** Until the spinners are at it, and what they made the pool start has started. */
const SETTLE_MS = 900;
const LISTEN_MS = 800;
const ROUNDS = 5;

/** The suite. */
export const neighbour: Suite = {
  name: "neighbour",
  about: "a tiny run of one tenant, alone and beside guests of another that spin",
  async run({ folder, quick, say }) {
    const cacheFolder = join(folder, "cache");
    await mkdir(cacheFolder, { recursive: true });
    const spin = await componentOf(SPIN_GUEST);
    const echo = await componentOf(ECHO_GUEST);
    const box = await openSandbox({ cacheFolder, executors: 2, spares: 1 });
    // Waiting callers and new executors are all that is left at times, and neither keeps a process alive.
    const alive = setInterval(() => undefined, 60_000);

    async function once(): Promise<number> {
      const at = performance.now();
      const end = await box.call(echo, "run", { n: 1 }, { tenant: "quiet" });
      if (end.outcome.kind !== "completed") throw new Error(JSON.stringify(end.outcome));
      return performance.now() - at;
    }

    async function listen({ guests, tenants }: (typeof LOUD)[number]): Promise<readonly number[]> {
      const enough: ((reason: string) => void)[] = [];
      const spinning = Array.from({ length: guests }, (_, index) =>
        box.call(
          spin,
          "run",
          {},
          {
            ...{ tenant: `loud-${index % tenants}`, fuel: 1e15, timeToLiveMs: 60_000 },
            onRevoked(listener) {
              enough.push(listener);
              return () => undefined;
            },
          },
        ),
      );
      await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
      const samples: number[] = [];
      const until = performance.now() + LISTEN_MS;
      while (performance.now() < until) samples.push(await once());
      for (const end of enough) end("enough");
      for (const { outcome } of await Promise.all(spinning))
        if (outcome.kind !== "revoked") throw new Error(`one that spins ended as ${outcome.kind}`);
      await new Promise((resolve) => setTimeout(resolve, 200));
      return samples;
    }

    try {
      for (let i = 0; i < 500; i++) await once();
      const rounds: (readonly number[])[][] = [];
      // All of them in each round, and each round begins with another: what is compared lies within seconds.
      for (let round = 0; round < (quick ? 1 : ROUNDS); round++) {
        const samples: (readonly number[])[] = [];
        for (let turn = 0; turn < LOUD.length; turn++) {
          const index = (round + turn) % LOUD.length;
          const loud = LOUD[index];
          if (loud !== undefined) samples[index] = await listen(loud);
        }
        rounds.push(samples);
        say(`round ${round + 1}: p99 ${samples.map((all) => quantile(all, 0.99).toFixed(2)).join(", ")} ms`);
      }
      const rows = LOUD.map(({ name }, index) =>
        rowOf(
          name,
          rounds.flatMap((samples) => samples[index] ?? []),
        ),
      );
      const against = (samples: (readonly number[])[], index: number) =>
        quantile(samples[index] ?? [], 0.99) / quantile(samples[0] ?? [], 0.99);
      return {
        tables: [{ title: "a tiny run of one tenant (2 executors, 1 spare)", rows }],
        figures: LOUD.slice(1).map(({ name }, index) => ({
          name: `p99 ${name}`,
          value: median(rounds.map((samples) => against(samples, index + 1))),
          unit: "× p99 alone in the same round, median of the rounds",
        })),
        notes: [
          "a spinning guest beside workerd delays an unrelated request by 1.04 s (measured earlier, local workerd): there all guests share one thread",
          "the gateway's part, the quiet tenant's executor and the spinners share the cores that there are",
        ],
      };
    } finally {
      clearInterval(alive);
      await box.close();
    }
  },
};
