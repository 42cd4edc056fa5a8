/** The peer: local workerd with a workerLoader binding, beside our own sandbox in the same run. */
import { compare, planFor, rowOf } from "../harness.ts";
import { startWorkerd, workerdVersion } from "../peers/workerd/start.ts";
import type { Suite, SuiteContext, SuiteOutput } from "../suite.ts";
import { type Connection, connect, saturate } from "../support/client.ts";
import { residentBytes } from "../support/memory.ts";
import { openBenchSandbox } from "../support/sandbox.ts";

/** workerd keeps isolates that nobody uses any more until it pleases, and aborts at some 3,500 of them. */
const MOST_LOADS = 1200;

const NOTES = [
  "what is compared differs: workerd's cold load() compiles code it has never seen into a new isolate of its own process; ours instantiates a component that was compiled before, in another, locked-down process. Their warm get() calls an isolate that is there already; ours makes a fresh instance for every call. `intake` has our cost of a component never seen.",
  "workerd is timed through its HTTP server (its echo is the floor of that); ours through the sandbox's own door, without HTTP. `http` has ours through HTTP, with policy, signature and durable evidence.",
];

/** The suite. */
export const workerd: Suite = {
  name: "workerd",
  about: "the peer: workerd's cold load, warm get and echo, beside our sandbox",
  async run(context) {
    if (workerdVersion() === undefined) {
      return {
        tables: [],
        figures: [],
        notes: [
          `THE PEER IS MISSING: npm's "workerd" is installed neither here nor in the folder that WRIT_BENCH_PEERS names. Nothing was measured.`,
        ],
      };
    }
    const peer = await startWorkerd();
    const connection = connect(peer.url);
    const ours = await openBenchSandbox(context);
    try {
      return await measure(context, peer, connection, ours);
    } finally {
      await connection.close();
      await Promise.all([peer.stop(), ours.close()]);
    }
  },
};

async function measure(
  { seconds, quick, say }: SuiteContext,
  peer: { readonly url: string; readonly pid: number },
  connection: Connection,
  ours: Awaited<ReturnType<typeof openBenchSandbox>>,
): Promise<SuiteOutput> {
  const get = (path: string) => async () => void (await connection.send({ method: "GET", path }));
  say("warm: echo, get(), and our fresh instance per call");
  const warm = await compare(
    [
      { name: "workerd echo", run: get("/echo") },
      { name: "workerd get(), JavaScript", run: get("/get") },
      { name: "workerd get(), tiny wasm", run: get("/get-wasm") },
      { name: "writ fresh instance + call, hash", run: () => ours.call("hash") },
      { name: "writ fresh instance + call, text (QuickJS)", run: () => ours.call("text") },
    ],
    planFor(1, seconds),
  );

  say("cold: load() of code never seen, and our new executor");
  const plan = planFor(4, quick ? 0.1 : 2);
  const loadsPerSubject = plan.warmUp + plan.rounds * plan.perRound;
  if (loadsPerSubject * 2 > MOST_LOADS) throw new RangeError(`Cannot make ${loadsPerSubject * 2} cold loads`);
  const cold = await compare(
    [
      { name: "workerd load(), JavaScript", run: get("/load") },
      { name: "workerd load(), tiny wasm", run: get("/load-wasm") },
    ],
    plan,
  );
  const live = quick ? 20 : 200;
  const before = residentBytes(peer.pid);
  for (let i = 0; i < live; i++) await get("/live")();
  const after = residentBytes(peer.pid);
  const throughput = await saturate(
    peer.url,
    { method: "GET", path: "/load" },
    { connections: 8, forMs: quick ? 200 : 1500 },
  );
  const firsts: number[] = [];
  for (let i = 0; i < (quick ? 3 : 20); i++) firsts.push(await ours.firstCall("hash"));
  return {
    tables: [
      { title: "warm", rows: warm },
      { title: "cold", rows: [...cold, rowOf("writ first call of hash in a ready, empty executor", firsts)] },
    ],
    figures: [
      { name: "workerd cold loads, 8 connections", value: throughput.perSecond, unit: "loads/s" },
      {
        name: `workerd memory per live isolate, of ${live}`,
        value: (after - before) / live / 2 ** 20,
        unit: "MiB",
      },
    ],
    notes: NOTES,
  };
}
