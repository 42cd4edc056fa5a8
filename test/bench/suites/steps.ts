/** Where the milliseconds of one invocation of `hash` go: every step of the gateway's own path, in this process. */
import { join } from "node:path";
import { checkInput } from "../../../src/core/component/index.ts";
import { canonicalJson, sha256Hex } from "../../../src/core/digest.ts";
import { createStatement, encodeStatement, PAYLOAD_TYPE, pae } from "../../../src/core/manifest/index.ts";
import { decide } from "../../../src/core/policy/index.ts";
import { type Row, rowOf } from "../harness.ts";
import type { Figure, Suite } from "../suite.ts";
import { floorRows } from "../support/floor.ts";
import { openBenchHouse } from "../support/house.ts";
import { predicateOf } from "../support/predicate.ts";
import { loadTools, pick } from "../support/tools.ts";

const INPUT = { data: "aGVsbG8=" };
const BODY = JSON.stringify({ input: INPUT, purpose: "benchmark" });

/** The suite. */
export const steps: Suite = {
  name: "steps",
  about: "where an invocation of hash spends its time, step by step, in one process",
  async run({ folder, quick, say }) {
    const registry = await loadTools();
    const { tool, callee } = pick(registry, "hash", "hash/fnv1a64");
    const house = await openBenchHouse(join(folder, "house"), registry);
    const whole: number[] = [];
    try {
      const invoke = async () => {
        const request = new Request("http://127.0.0.1/v1/tools/hash/hash/fnv1a64", {
          method: "POST",
          headers: { "content-type": "application/json", authorization: `Bearer ${house.key}` },
          body: BODY,
        });
        const at = performance.now();
        const response = await house.app.fetch(request);
        const text = await response.text();
        whole.push(performance.now() - at);
        if (response.status !== 200) throw new Error(text);
      };
      say("warming up");
      for (let i = 0; i < (quick ? 50 : 500); i++) await invoke();
      house.watch.clear();
      whole.length = 0;
      say("invoking");
      for (let i = 0; i < (quick ? 50 : 3000); i++) await invoke();

      const request = {
        principal: house.principal,
        tool: tool.name,
        function: callee.key,
        purpose: "benchmark",
        needs: tool.needs,
      };
      const statement = createStatement(predicateOf(1));
      const bytes = pae(PAYLOAD_TYPE, encodeStatement(statement));
      const pure: readonly (readonly [string, () => unknown])[] = [
        ["decide", () => decide(request, tool.policies)],
        ["canonicalJson + sha256Hex of the input", () => sha256Hex(canonicalJson(INPUT))],
        ["checkInput", () => checkInput(callee.function, INPUT)],
        ["statement → bytes → PAE", () => pae(PAYLOAD_TYPE, encodeStatement(statement))],
        ["sha256Hex of the signed bytes", () => sha256Hex(bytes)],
      ];
      const rows = [rowOf("http (app.fetch → body read)", whole)];
      for (const [step, samples] of house.watch.steps) rows.push(rowOf(step, samples));
      const order = (row: Row) => ORDER.findIndex((start) => row.name.trimStart().startsWith(start));
      rows.sort((a, b) => order(a) - order(b));
      return {
        tables: [
          { title: "one invocation, by step; indented steps are part of the one above", rows },
          {
            title: "what no run goes without, by itself and with nothing beside it in the processor's caches",
            rows: await floorRows(folder, quick),
          },
          { title: "pure steps by themselves", rows: pure.map(([name, run]) => timeMany(name, run, quick)) },
        ],
        figures: shares(rows),
        notes: [
          "no socket: `http` has that. the figures under the tables are differences of tenth percentiles, which other work on the machine disturbs least; they add up to the whole only nearly",
          "to see it by function: node --cpu-prof --cpu-prof-dir=.writ/prof test/bench/main.ts steps --no-keep",
        ],
      };
    } finally {
      await house.close();
    }
  },
};

const ORDER = [
  "http",
  "gateway.authenticate",
  "store.findKey",
  "gateway.invoke",
  "broker",
  "evidence.admit",
  "store.recordIntent",
  "sandbox.run",
  "files.read",
  "pipe",
  "evidence.seal",
  "signer",
  "store.seal",
  "COMMIT",
];

/** What each step takes that none of its own parts takes. */
function shares(rows: readonly Row[]): readonly Figure[] {
  const of = (start: string) => rows.find(({ name }) => name.trimStart().startsWith(start))?.p10 ?? 0;
  const inner = of("evidence.admit") + of("evidence.seal") + of("sandbox.run") + of("broker");
  const figure = (name: string, value: number): Figure => ({ name, value, unit: "ms, from the p10" });
  return [
    figure(
      "http: Hono, door, limits, JSON in and out",
      of("http") - of("gateway.invoke") - of("gateway.authenticate"),
    ),
    figure("authenticate", of("gateway.authenticate")),
    figure("invoke: look-up, decide, digests, checks, predicate", of("gateway.invoke") - inner),
    figure("intent, without its sync", of("evidence.admit") - of("COMMIT")),
    figure("sync to disk, intent", of("COMMIT")),
    figure("sandbox: prepared look-up, pool, frames", of("sandbox.run") - of("pipe")),
    figure("sandbox: pipe, fresh instance, guest, pipe", of("pipe")),
    figure("sign", of("signer")),
    figure("seal: statement, base64, digest, inserts", of("evidence.seal") - of("signer") - of("COMMIT")),
    figure("sync to disk, seal", of("COMMIT")),
  ];
}

/** Steps of microseconds: timed in batches, or the clock would be most of it. */
function timeMany(name: string, run: () => unknown, quick: boolean): Row {
  const batch = 50;
  const samples: number[] = [];
  for (let i = 0; i < (quick ? 20 : 200); i++) {
    const at = performance.now();
    for (let j = 0; j < batch; j++) run();
    samples.push((performance.now() - at) / batch);
  }
  return rowOf(name, samples.slice(samples.length / 2));
}
