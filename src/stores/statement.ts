/**
 * Statements of the hot path, in SQL that both databases read: the text of each is joined once, because compiling takes
 * longer than running it. What stands in `${…}` is a parameter, always: no text from outside ever becomes SQL.
 */
import { CompiledQuery } from "kysely";

/** By call site: a template's strings are the same object every time. What they compile to has no values yet. */
const compiled = new WeakMap<TemplateStringsArray, CompiledQuery>();

/** As a template's tag: `statement<{ run: string }>`select run from runs where tool = ${tool}``. */
export function statement<Row>(
  strings: TemplateStringsArray,
  ...values: readonly unknown[]
): CompiledQuery<Row> {
  let known = compiled.get(strings);
  if (known === undefined) {
    known = CompiledQuery.raw(strings.join("?"));
    compiled.set(strings, known);
  }
  return { ...known, parameters: values } as CompiledQuery<Row>;
}
