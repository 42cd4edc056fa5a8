/**
 * Runs one script of the spec suite on V8, with modules as they are or metered, and says how each assertion ended.
 */

import { assemble } from "../support.ts";
import type { Expression } from "./script.ts";
import { headOf, readScript, textOf } from "./script.ts";
import type { ScriptValue } from "./values.ts";
import { callBits, matchesBits, needsBits, readValue } from "./values.ts";

/** How an assertion ended, and where it stands. `skip`: not expressible through the JavaScript API. */
export interface Verdict {
  readonly line: number;
  readonly end: "pass" | "fail" | "skip";
  readonly detail: string;
}

/** How a script's modules become instances. */
export interface ScriptHost {
  /** Turns validated bytes into what is compiled. */
  readonly prepare: (wasm: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>;
  /** Imports that every module gets. */
  readonly imports: WebAssembly.Imports;
  /** Called before each action. */
  readonly reset: () => void;
}

/** Runs a script. Assertions about invalid text or modules are not run: the original bytes are validated elsewhere. */
export async function runScript(source: string, host: ScriptHost): Promise<Verdict[]> {
  const script = new Script(source, host);
  const verdicts: Verdict[] = [];
  for (const form of readScript(source)) {
    const line = source.slice(0, form.start).split("\n").length;
    const verdict = await script.step(form);
    if (verdict !== undefined) verdicts.push({ line, ...verdict });
  }
  return verdicts;
}

type Ended = { readonly end: Verdict["end"]; readonly detail: string };

const PASS: Ended = { end: "pass", detail: "" };

class Script {
  readonly #source: string;
  readonly #host: ScriptHost;
  readonly #registered: Record<string, WebAssembly.ModuleImports>;
  readonly #named = new Map<string, WebAssembly.Exports>();
  readonly #definitions = new Map<string, WebAssembly.Module>();
  #definition: WebAssembly.Module | undefined;
  #current: WebAssembly.Exports | undefined;

  constructor(source: string, host: ScriptHost) {
    this.#source = source;
    this.#host = host;
    this.#registered = { spectest: spectest() };
  }

  async step(form: Expression): Promise<Ended | undefined> {
    this.#host.reset();
    const items = form.kind === "list" ? form.items : [];
    try {
      switch (headOf(form)) {
        case "module":
          await this.#module(form, items);
          return undefined;
        case "register":
          this.#registered[textOf(items[1])] = { ...this.#exports(items[2]) };
          return undefined;
        case "invoke":
        case "get":
          this.#act(form, []);
          return undefined;
        case "assert_return":
          return this.#returns(items);
        case "assert_trap":
        case "assert_exhaustion":
          return await this.#traps(items[1]);
        case "assert_exception":
          return this.#throws(items[1]);
        case "assert_unlinkable":
          return await this.#unlinkable(items[1]);
        default:
          return undefined;
      }
    } catch (error) {
      if (headOf(form) === "module" || headOf(form) === "register") this.#current = undefined;
      return { end: "fail", detail: `${headOf(form)}: ${String(error)}` };
    }
  }

  async #module(form: Expression, items: readonly Expression[]): Promise<void> {
    const names = items
      .slice(1)
      .filter((each) => each.kind === "atom")
      .map(textOf);
    if (names[0] === "instance") {
      const module = names[2] === undefined ? this.#definition : this.#definitions.get(names[2]);
      if (module === undefined) throw new TypeError("No such definition");
      this.#adopt(names[1], this.#instantiate(module));
      return;
    }
    const isDefinition = names[0] === "definition";
    const name = names.find((each) => each.startsWith("$"));
    const module = new WebAssembly.Module(await this.#bytes(form, items, isDefinition));
    if (isDefinition) {
      this.#definition = module;
      if (name !== undefined) this.#definitions.set(name, module);
      return;
    }
    this.#current = undefined;
    this.#adopt(name, this.#instantiate(module));
    this.#definition = module;
    if (name !== undefined) this.#definitions.set(name, module);
  }

  async #bytes(
    form: Expression,
    items: readonly Expression[],
    isDefinition = false,
  ): Promise<Uint8Array<ArrayBuffer>> {
    const strings = items.filter((each) => each.kind === "string");
    const kind = items
      .slice(1)
      .map(textOf)
      .find((each) => each === "binary" || each === "quote");
    let wasm: Uint8Array<ArrayBuffer>;
    if (kind === "binary") wasm = Uint8Array.from(strings.flatMap((each) => [...each.bytes]));
    else if (kind === "quote") wasm = await assemble(strings.map(textOf).join(" "));
    else {
      const text = this.#source.slice(form.start, form.end);
      wasm = await assemble(isDefinition ? text.replace("definition", "") : text);
    }
    if (!WebAssembly.validate(wasm)) throw new TypeError("Not valid on this engine");
    return this.#host.prepare(wasm);
  }

  #instantiate(module: WebAssembly.Module): WebAssembly.Exports {
    return new WebAssembly.Instance(module, { ...this.#registered, ...this.#host.imports }).exports;
  }

  #adopt(name: string | undefined, exports: WebAssembly.Exports): void {
    this.#current = exports;
    if (name !== undefined) this.#named.set(name, exports);
  }

  #exports(name: Expression | undefined): WebAssembly.Exports {
    const exports = name === undefined ? this.#current : this.#named.get(textOf(name));
    if (exports === undefined) throw new TypeError("No such instance");
    return exports;
  }

  /** Runs an action. @returns whether each expected result is there */
  #act(form: Expression | undefined, expected: readonly ScriptValue[]): Ended {
    const items = form?.kind === "list" ? [...form.items] : [];
    const named = items[1]?.kind === "atom" ? items.splice(1, 1)[0] : undefined;
    const found = this.#exports(named)[textOf(items[1])];
    if (headOf(form) === "get") {
      if (!(found instanceof WebAssembly.Global)) throw new TypeError("No such global");
      return compare([found.value], expected);
    }
    if (typeof found !== "function") throw new TypeError(`No such function ${textOf(items[1])}`);
    const params = items.slice(2).map(readValue);
    if (expected.length === 0) {
      if (params.some(({ type }) => type === "v128")) return { end: "skip", detail: "results unknown" };
      found(...params.map(toJavaScript));
      return PASS;
    }
    if ([...params, ...expected].some(needsBits)) {
      if ([...params, ...expected].some((value) => value.bits === undefined))
        return { end: "skip", detail: "mixed" };
      const results = callBits(found, params, expected);
      const wrong = expected.findIndex((value, i) => !matchesBits(value, results[i] ?? new Uint8Array()));
      return wrong < 0 ? PASS : { end: "fail", detail: `result ${wrong} is ${results[wrong]}` };
    }
    const result: unknown = found(...params.map(toJavaScript));
    return compare(Array.isArray(result) ? result : [result], expected);
  }

  #returns(items: readonly Expression[]): Ended {
    const wanted = items.slice(2);
    if (wanted.some((each) => headOf(each) === "either")) {
      const options = wanted[0]?.kind === "list" ? wanted[0].items.slice(1) : [];
      const ends = options.map((option) => this.#act(items[1], [readValue(option)]));
      return ends.find(({ end }) => end === "pass") ?? ends[0] ?? { end: "skip", detail: "either" };
    }
    return this.#act(items[1], wanted.map(readValue));
  }

  async #traps(form: Expression | undefined): Promise<Ended> {
    try {
      if (headOf(form) === "module") {
        const items = form?.kind === "list" ? form.items : [];
        if (form !== undefined) this.#instantiate(new WebAssembly.Module(await this.#bytes(form, items)));
      } else {
        const ended = this.#act(form, []);
        if (ended.end === "skip") return ended;
      }
    } catch (error) {
      if (error instanceof WebAssembly.RuntimeError || error instanceof RangeError) return PASS;
      return { end: "fail", detail: `not a trap: ${String(error)}` };
    }
    return { end: "fail", detail: "no trap" };
  }

  #throws(form: Expression | undefined): Ended {
    try {
      this.#act(form, []);
    } catch (error) {
      return error instanceof WebAssembly.Exception ? PASS : { end: "fail", detail: String(error) };
    }
    return { end: "fail", detail: "no exception" };
  }

  async #unlinkable(form: Expression | undefined): Promise<Ended> {
    const items = form?.kind === "list" ? form.items : [];
    if (form === undefined) return { end: "skip", detail: "" };
    const module = new WebAssembly.Module(await this.#bytes(form, items));
    try {
      this.#instantiate(module);
    } catch (error) {
      return error instanceof WebAssembly.LinkError || error instanceof TypeError
        ? PASS
        : { end: "fail", detail: String(error) };
    }
    return { end: "fail", detail: "it linked" };
  }
}

const EXTERNS: object[] = [];

function extern(n: number): object {
  EXTERNS[n] ??= { extern: n };
  return EXTERNS[n];
}

function toJavaScript(value: ScriptValue): unknown {
  const head = headOf(value.form);
  const item = value.form.kind === "list" ? textOf(value.form.items[1]) : "";
  if (head === "ref.null") return null;
  if (head === "ref.extern" || head === "ref.host") return extern(Number(item));
  const bits = value.bits ?? new Uint8Array();
  const integer = bits.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
  const view = new DataView(Uint8Array.from(bits).buffer);
  if (value.type === "f32") return view.getFloat32(0, true);
  if (value.type === "f64") return view.getFloat64(0, true);
  return value.type === "i64" ? BigInt.asIntN(64, integer) : Number(BigInt.asIntN(32, integer));
}

function compare(results: readonly unknown[], expected: readonly ScriptValue[]): Ended {
  const wrong = expected.findIndex((value, i) => !same(value, results[i]));
  return wrong < 0 ? PASS : { end: "fail", detail: `result ${wrong} is ${String(results[wrong])}` };
}

function same(expected: ScriptValue, seen: unknown): boolean {
  const head = headOf(expected.form) ?? "";
  const item = expected.form.kind === "list" ? textOf(expected.form.items[1]) : "";
  if (head === "ref.null") return seen === null;
  if (head === "ref.extern" || head === "ref.host")
    return item === "" ? seen !== null : seen === extern(Number(item));
  if (head === "ref.func") return typeof seen === "function";
  if (head === "ref.i31") return typeof seen === "number";
  if (head.startsWith("ref.")) return seen !== null && seen !== undefined;
  return (
    Object.is(seen, toJavaScript(expected)) ||
    (expected.type !== "ref" && needsBits(expected) && seen === Number(item))
  );
}

function spectest(): WebAssembly.ModuleImports {
  const print = (): void => {};
  const global = (value: WebAssembly.ValueType, initial: number | bigint): WebAssembly.Global =>
    new WebAssembly.Global({ value, mutable: false }, initial);
  return {
    print,
    print_i32: print,
    print_i64: print,
    print_f32: print,
    print_f64: print,
    print_i32_f32: print,
    print_f64_f64: print,
    global_i32: global("i32", 666),
    global_i64: global("i64", 666n),
    global_f32: global("f32", 666.6),
    global_f64: global("f64", 666.6),
    table: new WebAssembly.Table({ element: "anyfunc", initial: 10, maximum: 20 }),
    memory: new WebAssembly.Memory({ initial: 1, maximum: 2 }),
  };
}
