/** What counting fuel costs a guest: the same code plain and metered, taking turns. */
import { Buffer } from "node:buffer";
import { parse } from "@bytecodealliance/jco-transpile/wasm-tools";
import { FUEL_IMPORT, instrument } from "../../../src/core/metering/index.ts";
import { compare, planFor } from "../harness.ts";
import type { Suite, Table } from "../suite.ts";
import { KERNELS } from "../support/kernels.ts";
import { loadTools } from "../support/tools.ts";
import { type GeneratedParts, generateParts } from "../support/transpile.ts";

const LIMITS = { maxMemoryBytes: 64 * 1024 * 1024 };
/** Never runs out: the counter is set anew before it could. */
const FUEL = 2n ** 62n;

/** The suite. */
export const metering: Suite = {
  name: "metering",
  about: "plain against metered: kernels, and the text tool",
  async run({ seconds, say }) {
    const tables: Table[] = [];
    for (const { name, about, wat, argument } of KERNELS) {
      say(name);
      const wasm = new Uint8Array(await parse(wat));
      const plain = instance(wasm, {});
      const metered = instance(instrument(wasm, LIMITS).wasm, counters());
      if (plain(argument) !== metered(argument)) throw new Error(`${name}: plain and metered disagree`);
      const rows = await compare(
        [
          { name: "plain", run: () => void plain(argument) },
          { name: "metered", run: () => void metered(argument) },
        ],
        planFor(5, seconds / 2),
      );
      tables.push({ title: `${name}: ${about}`, rows });
    }

    const text = (await loadTools()).find("text");
    if (text !== undefined) {
      say("text tool");
      const parts = await generateParts(text.component.bytes);
      const plain = await load(parts, (wasm) => wasm, {});
      const metered = await load(parts, (wasm) => instrument(wasm, LIMITS).wasm, counters());
      const csv = Array.from({ length: 200 }, (_, row) => `${row},name ${row},"quoted, ${row}"`).join("\n");
      for (const [title, call] of TEXT_CALLS) {
        const rows = await compare(
          [
            { name: "plain", run: () => void call(plain(), csv) },
            { name: "metered", run: () => void call(metered(), csv) },
          ],
          planFor(8, seconds),
        );
        tables.push({ title: `text tool (QuickJS), fresh instance and ${title}`, rows });
      }
    }
    return {
      tables,
      figures: [],
      notes: ["same engine, same process, no pipe: the ratio is the meter's alone; compilation is not in it"],
    };
  },
};

type Text = Readonly<Record<string, (...args: readonly unknown[]) => unknown>>;

const TEXT_CALLS: readonly (readonly [title: string, call: (text: Text, csv: string) => unknown])[] = [
  ["slug of two words", (text) => text["slug"]?.("Hello World", undefined)],
  ["stats of 200 lines", (text, csv) => text["stats"]?.(csv)],
];

function counters(): WebAssembly.Imports {
  const { module, left, depth } = FUEL_IMPORT;
  return {
    [module]: {
      [left.name]: new WebAssembly.Global({ value: "i64", mutable: true }, FUEL),
      [depth.name]: new WebAssembly.Global({ value: "i32", mutable: true }, 0),
    },
  };
}

function instance(
  wasm: Uint8Array<ArrayBuffer>,
  imports: WebAssembly.Imports,
): (argument: number) => unknown {
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(wasm), imports);
  const run = exports["run"];
  if (typeof run !== "function") throw new TypeError("A kernel exports no run");
  return (argument) => run(argument);
}

/** @returns what makes a fresh instance of the component and gives its `text` interface */
async function load(
  { glue, names, modules }: GeneratedParts,
  rewrite: (wasm: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>,
  extra: WebAssembly.Imports,
): Promise<() => Text> {
  const { instantiate } = await import(`data:text/javascript;base64,${Buffer.from(glue).toString("base64")}`);
  const compiled = new Map(
    modules.map((wasm, index) => [names[index], new WebAssembly.Module(rewrite(wasm))]),
  );
  const link = (module: WebAssembly.Module, imports: WebAssembly.Imports) =>
    new WebAssembly.Instance(module, { ...imports, ...extra });
  return () => instantiate((name: string) => compiled.get(name), {}, link)["text"];
}
