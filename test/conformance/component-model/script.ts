/**
 * Runs one script of the component model's tests and says how each of its assertions ended: as the script has it, refused
 * in words, or wrong. An error that nobody named is always wrong.
 */
import { parse } from "@bytecodealliance/jco-transpile/wasm-tools";
import { AbiTrap } from "../../../src/sandbox/executor/linker/index.ts";
import type { LoadedComponent } from "../../../src/sandbox/executor/run.ts";
import { type Expression, headOf, readScript, textOf } from "../../core/metering/spec/script.ts";
import { type Instance, instantiate, prepareComponent, Refused } from "./component.ts";
import { isSame, readValue } from "./values.ts";

/** How an assertion ended. `text`: the assembler refuses it, so it never reaches us. */
export interface Verdict {
  readonly line: number;
  readonly end: "pass" | "refused" | "text" | "fail";
  readonly detail: string;
}

type Ended = Omit<Verdict, "line">;

const PASS: Ended = { end: "pass", detail: "" };

/** What the assembler does not take. */
class BadText extends Error {
  override readonly name = "BadText";
}

/** Runs a script. */
export async function runScript(source: string): Promise<Verdict[]> {
  const script = new Script(source);
  const verdicts: Verdict[] = [];
  for (const form of readScript(source)) {
    const line = source.slice(0, form.start).split("\n").length;
    verdicts.push({ line, ...(await script.step(form)) });
  }
  return verdicts;
}

/** A component that a script named, or why there is none. */
type Definition = LoadedComponent | Ended;
type Current = Instance | Ended;

class Script {
  readonly #source: string;
  readonly #definitions = new Map<string, Definition>();
  #current: Current = { end: "fail", detail: "there is no instance" };

  constructor(source: string) {
    this.#source = source;
  }

  async step(form: Expression): Promise<Ended> {
    const items = form.kind === "list" ? form.items : [];
    try {
      switch (headOf(form)) {
        case "component":
          return await this.#component(form, items);
        case "invoke":
          return await this.#act(form, () => PASS);
        case "assert_return":
          return await this.#act(items[1], (seen) => returned(items.slice(2), seen));
        case "assert_trap":
          return await this.#traps(items[1]);
        case "assert_invalid":
        case "assert_malformed":
          return await this.#isRefused(items[1]);
        default:
          return { end: "fail", detail: `the runner does not know ${headOf(form)}` };
      }
    } catch (error) {
      return endOf(error);
    }
  }

  async #component(form: Expression, items: readonly Expression[]): Promise<Ended> {
    const names = items.slice(1, 4).flatMap((item) => (item.kind === "atom" ? [item.text] : []));
    if (names[0] === "instance") {
      const definition = this.#definitions.get(names[2] ?? "");
      if (definition === undefined) throw new TypeError(`There is no ${names[2]}`);
      return this.#instantiate(definition);
    }
    const definition: Definition = await this.#prepare(form, items).catch(endOf);
    const name = names.find((each) => each.startsWith("$"));
    if (name !== undefined) this.#definitions.set(name, definition);
    if (names[0] === "definition") return "end" in definition ? definition : PASS;
    return this.#instantiate(definition);
  }

  async #instantiate(definition: Definition): Promise<Ended> {
    this.#current = "end" in definition ? definition : await instantiate(definition).catch(endOf);
    return "end" in this.#current ? this.#current : PASS;
  }

  async #prepare(form: Expression, items: readonly Expression[]): Promise<LoadedComponent> {
    return prepareComponent(await this.#bytes(form, items));
  }

  async #bytes(form: Expression, items: readonly Expression[]): Promise<Uint8Array> {
    const strings = items.flatMap((item) => (item.kind === "string" ? [...item.bytes] : []));
    const kind = items.find((item) => item.kind === "atom" && ["binary", "quote"].includes(item.text));
    if (textOf(kind) === "binary") return Uint8Array.from(strings);
    const text =
      textOf(kind) === "quote"
        ? `(component ${new TextDecoder().decode(Uint8Array.from(strings))})`
        : this.#source.slice(form.start, form.end).replace(/^\(component\s+definition\b/, "(component");
    try {
      return await parse(text);
    } catch (error) {
      throw new BadText(String(error));
    }
  }

  /**
   * Calls the present instance; no script calls another.
   *
   * @param judge told what came back
   */
  async #act(form: Expression | undefined, judge: (seen: unknown) => Ended): Promise<Ended> {
    const items = form?.kind === "list" ? form.items : [];
    const current = this.#current;
    if ("end" in current) return current;
    const [, name, ...args] = items;
    const seen = await current.linked.exported(null, textOf(name))(args.map(readValue));
    current.linked.meter.settle();
    if (current.guard.stopped() !== undefined) throw new TypeError("A run that was stopped returned");
    return judge(seen);
  }

  async #traps(form: Expression | undefined): Promise<Ended> {
    const items = form?.kind === "list" ? form.items : [];
    try {
      if (form !== undefined && headOf(form) === "component")
        await instantiate(await this.#prepare(form, items));
      else {
        const ended = await this.#act(form, () => PASS);
        if (ended.end !== "pass") return ended;
      }
    } catch (error) {
      if (!isTrap(error)) throw error;
      const wrong = this.#wrongTrap();
      return wrong === undefined ? PASS : { end: "fail", detail: wrong };
    }
    return { end: "fail", detail: "no trap" };
  }

  /** A trap that no script means: of a budget, or what the guard made of an error without a name, which is ours. */
  #wrongTrap(): string | undefined {
    if ("end" in this.#current) return undefined;
    const { guard, linked } = this.#current;
    if (linked.fuelLeft() < 0n || linked.depthExceeded()) return "it ran out of fuel or depth";
    const stopped = guard.stopped();
    if (stopped === undefined) return undefined;
    const reason = stopped.kind === "trapped" ? stopped.reason : stopped.kind;
    return stopped.kind !== "trapped" || reason.startsWith("bad-import-call") ? reason : undefined;
  }

  async #isRefused(form: Expression | undefined): Promise<Ended> {
    const items = form?.kind === "list" ? form.items : [];
    if (form === undefined) throw new SyntaxError("An assertion without a component");
    try {
      await instantiate(await this.#prepare(form, items));
    } catch (error) {
      if (error instanceof Refused || error instanceof WebAssembly.LinkError) return PASS;
      throw error;
    }
    return { end: "fail", detail: "accepted" };
  }
}

function returned(wanted: readonly Expression[], seen: unknown): Ended {
  const expected = wanted[0] === undefined ? undefined : readValue(wanted[0]);
  if (isSame(expected, seen)) return PASS;
  const text = JSON.stringify(seen, (_, part) => (typeof part === "bigint" ? `${part}` : part));
  return { end: "fail", detail: `returned ${text}` };
}

/** A trap of the engine's or of the canonical ABI's; a script's words for it are not compared with ours. */
function isTrap(error: unknown): boolean {
  return error instanceof AbiTrap || error instanceof WebAssembly.RuntimeError;
}

/** Words of a refusal that names what is not supported. Any other says that a good component is a bad one. */
const NAMES_A_FEATURE = /not supported|is of the sort|does not fit a func/;

function endOf(error: unknown): Ended {
  if (error instanceof Refused)
    return { end: NAMES_A_FEATURE.test(error.message) ? "refused" : "fail", detail: error.message };
  if (error instanceof BadText) return { end: "text", detail: error.message };
  return { end: "fail", detail: String(error) };
}
