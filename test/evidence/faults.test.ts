/**
 * The fault matrix: every step of a run's evidence, failed in every way, recovered in every way. Whatever failed,
 * nothing was released without a durable and verifiable seal, nothing was sealed twice, and nothing stays open.
 */
import { describe, expect, it } from "vitest";
import { GatewayError } from "../../src/core/errors.ts";
import type { Sealed } from "../../src/evidence/index.ts";
import type { RunRow } from "../../src/ports/index.ts";
import { predicateOf } from "../core/manifest/fixtures.ts";
import { arm, type FaultMode, noFaults } from "../support/sqlite.ts";
import { completed, knownOf, type TestGateway, testStorage, verified, verifiedSeal } from "./support.ts";

/** SQLite's extended codes; undefined = an error that is not SQLite's. */
const CODES = { "plain error": undefined, "disk full": 13, "read error": 266, "failed sync": 1034 } as const;
const MODES: readonly FaultMode[] = ["not-stored", "stored"];
/** Who recovers: the same process once the fault is gone, or the next one. */
const RECOVERIES = ["same process", "next process"] as const;

const DENIED = predicateOf({
  run: "run_denied",
  output_hash: null,
  outcome: { kind: "denied" },
  decision: { effect: "deny", reasons: [{ clause: "purpose", effect: "deny", detail: "not listed" }] },
});

/** What a scenario let its caller have. */
interface Answers {
  readonly released: Sealed[];
  readonly refused: unknown[];
  /** Runs that were told they may run. */
  readonly admitted: string[];
}

const SCENARIOS: readonly {
  readonly name: string;
  /** Writes of the scenario when nothing fails. */
  readonly writes: number;
  readonly play: (gateway: TestGateway, answers: Answers) => Promise<void>;
}[] = [
  {
    name: "admit, run, seal",
    writes: 10,
    async play({ evidence }, answers) {
      const predicate = completed(1);
      await evidence.admit(knownOf(predicate));
      answers.admitted.push(predicate.run);
      answers.released.push(await evidence.seal(predicate, ["fuel"]));
    },
  },
  {
    name: "refuse",
    writes: 5,
    async play({ evidence }, answers) {
      answers.released.push(await evidence.refuse(DENIED));
    },
  },
];

/** Number of the run that is served once the fault is over. */
const AFTERWARDS = 99;

let cells = 0;

/** Plays a scenario under a fault, recovers, and checks what must hold whatever happened. */
async function playCell(options: {
  readonly play: (gateway: TestGateway, answers: Answers) => Promise<void>;
  readonly breakIt: (gateway: TestGateway, faults: ReturnType<typeof noFaults>) => void;
  readonly recovery: (typeof RECOVERIES)[number];
}): Promise<{ readonly answers: Answers; readonly rows: readonly RunRow[] }> {
  cells++;
  const storage = await testStorage();
  const faults = noFaults();
  const first = await storage.start(faults);
  const answers: Answers = { released: [], refused: [], admitted: [] };
  options.breakIt(first, faults);
  await options.play(first, answers).catch((error: unknown) => answers.refused.push(error));

  arm(faults, undefined);
  first.signer.fails = undefined;
  if (options.recovery === "same process") {
    await first.evidence.reconcile(Number.POSITIVE_INFINITY);
    // It goes on by itself: what is open is closed, and the next run is served.
    expect(await first.store.openRuns(Number.MAX_SAFE_INTEGER, 10)).toEqual([]);
    const next = completed(AFTERWARDS);
    await first.evidence.admit(knownOf(next));
    expect(await verified((await first.evidence.seal(next, [])).text)).toMatchObject({ run: next.run });
  }
  await first.store.close();
  const next = await storage.start(noFaults());
  await next.evidence.reconcile(Number.POSITIVE_INFINITY);
  const again = await next.evidence.reconcile(Number.POSITIVE_INFINITY);
  expect(again).toEqual({ sealed: 0, failed: 0 });

  const rows = await next.store.listRuns("acme", 100);
  expect(await next.store.openRuns(Number.MAX_SAFE_INTEGER, 10)).toEqual([]);
  for (const error of answers.refused) {
    expect(error).toBeInstanceOf(GatewayError);
    expect(error).toMatchObject({ refusal: { code: "evidence-unavailable", retryAfterSeconds: 5 } });
  }
  // Every run that was let run has one manifest, and every manifest verifies and is about its own run.
  for (const run of answers.admitted) expect(rows.map(({ intent }) => intent.run)).toContain(run);
  for (const { intent, seal } of rows) {
    const predicate = await verifiedSeal(next, { intent, ...(seal && { seal }) });
    expect([predicate.run, predicate.outcome.kind]).toEqual([intent.run, seal?.outcome]);
  }
  expect(rows.map(({ seal }) => seal?.sequence).toSorted()).toEqual(rows.map((_, index) => index));
  // What was released is what is stored, byte for byte.
  for (const { text, receipt } of answers.released) {
    const stored = rows.find(({ seal }) => seal?.sequence === receipt.sequence)?.seal;
    expect(stored?.digest).toBe(receipt.digest);
    expect(await next.evidence.manifest(stored ?? expect.fail("nothing stored"))).toBe(text);
  }
  expect(answers.released.length + answers.refused.length).toBe(1);
  await next.store.close();
  await storage.remove();
  return { answers, rows: rows.filter(({ intent }) => intent.run !== completed(AFTERWARDS).run) };
}

describe("evidence under faults", () => {
  for (const { name, writes, play } of SCENARIOS) {
    it(`${name}: makes the writes that the matrix goes through`, async () => {
      let made = 0;
      const storage = await testStorage();
      const faults = noFaults();
      const gateway = await storage.start(faults);
      arm(faults, undefined);
      const answers: Answers = { released: [], refused: [], admitted: [] };
      await play(gateway, answers);
      made = faults.writes;
      expect(made).toBe(writes);
      expect(answers.released).toHaveLength(1);
      await gateway.store.close();
      await storage.remove();
    });

    for (const [code, errcode] of Object.entries(CODES)) {
      for (const mode of MODES) {
        it(`${name}: ${code}, ${mode}, at each of ${writes} writes`, async () => {
          for (let at = 1; at <= writes; at++) {
            for (const recovery of RECOVERIES) {
              const { answers, rows } = await playCell({
                play,
                recovery,
                breakIt: (_, faults) => {
                  arm(faults, at, mode);
                  faults.errcode = errcode;
                },
              });
              expect(answers.released, `write ${at}`).toEqual([]);
              expect(answers.refused, `write ${at}`).toHaveLength(1);
              if (mode === "not-stored" && at <= 4) expect(rows, `write ${at}`).toEqual([]);
            }
          }
        });
      }
    }

    for (const fails of ["before", "after"] as const) {
      for (const recovery of RECOVERIES) {
        it(`${name}: the signer fails ${fails} it signs, ${recovery}`, async () => {
          const { answers } = await playCell({
            play,
            recovery,
            breakIt: ({ signer }) => {
              signer.fails = fails;
            },
          });
          expect(answers.released).toEqual([]);
        });
      }
    }

    for (const recovery of RECOVERIES) {
      it(`${name}: nothing fails, ${recovery}`, async () => {
        const { answers, rows } = await playCell({ play, recovery, breakIt: () => undefined });
        expect(answers.released).toHaveLength(1);
        expect(rows).toHaveLength(1);
      });
    }
  }

  it("reconcile: fails at each write in both ways, and the next round or process finishes it", async () => {
    for (const mode of MODES) {
      for (const errcode of Object.values(CODES)) {
        // Four seals make 24 writes in commits of their own, 23 when they share one: which of both is timing.
        for (let at = 1; at <= 23; at++) {
          cells++;
          const storage = await testStorage();
          const faults = noFaults();
          const first = await storage.start(faults);
          for (const n of [1, 2, 3, 4]) await first.evidence.admit(knownOf(completed(n)));
          arm(faults, at, mode);
          faults.errcode = errcode;
          const { sealed, failed } = await first.evidence.reconcile(Number.POSITIVE_INFINITY);
          expect(sealed + failed).toBe(4);
          // A commit that was stored and said to have failed is looked for, and found.
          const isFound = mode === "stored" && faults.log[at - 1] === "COMMIT";
          expect([at, mode, errcode, failed > 0 || isFound]).toEqual([at, mode, errcode, true]);
          arm(faults, undefined);
          await first.evidence.reconcile(Number.POSITIVE_INFINITY);
          await first.store.close();
          const next = await storage.start(noFaults());
          await next.evidence.reconcile(Number.POSITIVE_INFINITY);
          const rows = await next.store.listRuns("acme", 10);
          expect(rows.map(({ seal }) => seal?.sequence).toSorted()).toEqual([0, 1, 2, 3]);
          for (const row of rows) expect((await verifiedSeal(next, row)).outcome.kind).toBe("indeterminate");
          await next.store.close();
          await storage.remove();
        }
      }
    }
  });

  it("went through at least 200 cells", () => expect(cells).toBeGreaterThanOrEqual(200));
});
