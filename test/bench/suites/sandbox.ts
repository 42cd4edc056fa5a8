/** The executor alone: instance, call and result through the pipe; cold starts; how soon a loop ends whose time is over. */
import { compare, planFor, rowOf } from "../harness.ts";
import type { Figure, Suite } from "../suite.ts";
import { residentBytes } from "../support/memory.ts";
import { openBenchSandbox, type SampleCall } from "../support/sandbox.ts";

const TOOLS: readonly SampleCall[] = ["hash", "text", "weather"];
/** Long enough for the guest to be inside its loop when it is stopped. */
const SPIN_MS = 700;

/** The suite. */
export const sandbox: Suite = {
  name: "sandbox",
  about: "executor round trip, warm and cold; a loop whose time is over",
  async run(context) {
    const { quick, seconds, say } = context;
    const bench = await openBenchSandbox(context);
    const figures: Figure[] = [];
    try {
      say("warm: a fresh instance for every call");
      const warm = await compare(
        TOOLS.map((name) => ({
          name: `${name} (${KIND[name]})`,
          async run() {
            const at = performance.now();
            await bench.call(name);
            return performance.now() - at;
          },
        })),
        planFor(10, seconds),
      );
      for (const pid of bench.alive) {
        figures.push({
          name: "executor that has run all three",
          value: residentBytes(pid) / 2 ** 20,
          unit: "MiB resident",
        });
      }

      say("cold: new executors");
      const count = quick ? 2 : 15;
      const starts: number[] = [];
      const firsts = new Map<SampleCall, number[]>(TOOLS.map((name) => [name, []]));
      for (let i = 0; i < count; i++) {
        starts.push(await bench.startExecutor());
        for (const [name, samples] of firsts) samples.push(await bench.firstCall(name));
      }

      say("time over: a wasm loop, stopped by its time to live");
      const ends: number[] = [];
      for (let i = 0; i < (quick ? 3 : 40); i++) {
        const at = performance.now();
        const { outcome } = await bench.end("rogue", "rogue/spin", {}, SPIN_MS);
        if (outcome.kind !== "timed-out") throw new Error(`spin ended as ${JSON.stringify(outcome)}`);
        ends.push(performance.now() - at - SPIN_MS);
      }
      return {
        tables: [
          { title: "warm: run command → result, executor and glue warm", rows: warm },
          {
            title: "cold",
            rows: [
              rowOf("executor process: spawn → probed and ready", starts),
              ...[...firsts].map(([name, samples]) =>
                rowOf(`first call of ${name} in a ready, empty executor`, samples),
              ),
            ],
          },
          { title: "time over", rows: [rowOf("time to live over → the run's end returned", ends)] },
        ],
        figures,
        notes: [
          "weather's host calls are answered at once by a stand-in, so its figure holds the guest and the pipe, no network",
          "a loop is stopped where its executor looks up; one that has to be killed is in `cage`",
          "the first call holds: read and check the prepared component from disk, send it, compile it, instantiate, call",
        ],
      };
    } finally {
      await bench.close();
    }
  },
};

const KIND: Readonly<Record<SampleCall, string>> = {
  hash: "hand-written, 2 KB",
  text: "QuickJS, 1.1 MB",
  weather: "StarlingMonkey with HTTP, 13 MB",
};
