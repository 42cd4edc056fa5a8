/**
 * jco's generated glue: how it becomes a function, and in which scope it runs.
 *
 * The glue's source is a component's own doing in part, and this process may be hostile afterwards: that is what
 * the process is for. Still the scope is kept small. Names that are shadowed here are all that the glue uses of
 * the world: no `process`, no `fetch`, no `globalThis`.
 */

/** The glue's entry, once compiled; called once per run with fresh doors. */
export type Glue = (scope: GlueScope) => Instantiate;

/** The globals that the glue sees. */
export interface GlueScope {
  readonly WebAssembly: object;
  readonly DataView: new (buffer: ArrayBuffer) => DataView;
  readonly TextDecoder: typeof TextDecoder;
}

/** What jco generates with `instantiation: "async"`. */
export type Instantiate = (
  getCoreModule: (name: string) => WebAssembly.Module,
  imports: object,
  instantiateCore: (module: WebAssembly.Module, imports?: object) => { readonly exports: object },
) => unknown;

const EXPORTED_FUNCTION = "export function instantiate(";
const EXPORTED_UTILITIES = "export const _util";

/**
 * @param source the JavaScript module that jco generated
 * @throws {TypeError} when it has not the form that this version of jco generates
 */
export function compileGlue(source: string): Glue {
  if (!source.includes(EXPORTED_FUNCTION))
    throw new TypeError("Cannot load the glue: it exports no instantiate()");
  const body = source
    .replace(EXPORTED_FUNCTION, "function instantiate(")
    .replace(EXPORTED_UTILITIES, "const _util")
    // Only where the glue would fetch a module by itself, which it never needs to.
    .replaceAll("import.meta.url", '""');
  const names = [
    "WebAssembly",
    "DataView",
    "TextDecoder",
    "globalThis",
    "process",
    "fetch",
    "console",
    "Deno",
  ];
  const outer = new Function(...names, `${body}\nreturn instantiate;`);
  const silent = {
    error: () => undefined,
    warn: () => undefined,
    log: () => undefined,
    debug: () => undefined,
  };
  return (scope) =>
    outer(
      scope.WebAssembly,
      scope.DataView,
      scope.TextDecoder,
      { WebAssembly: scope.WebAssembly },
      undefined,
      undefined,
      silent,
      undefined,
    ) as Instantiate; // The form of what jco generates; a wrong one throws at its first call.
}
