/**
 * The preparer's whole life: one component in, glue and metered core modules out. It runs in a process of its
 * own that ends afterwards, because the component's bytes pass through jco's parser and code generator: whoever
 * breaks out of those has won the right to prepare his own component wrongly, and nothing else.
 */
import { GatewayError } from "../../core/errors.ts";
import { instrument } from "../../core/metering/index.ts";
import type { ExecutorHost } from "../../ports/index.ts";
import { concatBytes, encodeFrame, readFrames } from "../pipe/frames.ts";
import type { Parts, PrepareCommand, Report } from "../pipe/messages.ts";
import { compileGlue } from "./glue.ts";
import { shareMemory } from "./memories.ts";

const LARGEST_COMMAND_BYTES = 128 * 1024 * 1024;

/** Serves one `prepare` command, then returns. */
export async function servePreparer(host: ExecutorHost): Promise<void> {
  for await (const frame of readFrames(host.input, LARGEST_COMMAND_BYTES)) {
    const command = frame.head as unknown as PrepareCommand; // From the gateway, which is trusted.
    const { report, body } = await prepare(command, frame.body);
    await host.write(encodeFrame(report, body));
    return;
  }
}

async function prepare(
  command: PrepareCommand,
  component: Uint8Array,
): Promise<{ report: Report; body?: Uint8Array }> {
  try {
    const { parts, body } = await transpile(command, component);
    return { report: { type: "prepared", ...parts }, body };
  } catch (error) {
    const message = error instanceof GatewayError ? error.message : vendorMessage(error);
    return { report: { type: "refused", message: message.slice(0, 2000) } };
  }
}

/** What is wrong, in words that a vendor can act on. jco's own are passed on, shortened, as the best there is. */
function vendorMessage(error: unknown): string {
  // jco's parser and generator are wasm themselves, and give up on what they do not know by a trap.
  if (error instanceof WebAssembly.RuntimeError || String(error).includes("wasm trap"))
    return "Cannot transpile the component: the code generator gave up on it, as it does for string-encoding latin1+utf16; build it with utf8 strings and without features newer than WASI 0.2";
  const text = error instanceof Error ? error.message : String(error);
  return `Cannot transpile the component: ${text}`;
}

async function transpile(
  command: PrepareCommand,
  component: Uint8Array,
): Promise<{ parts: Parts; body: Uint8Array }> {
  // Loaded here and not at the top: an executor that runs guests must not have jco in its process.
  const { $init, generate } = await import("@bytecodealliance/jco-transpile/component");
  await $init;
  const { files } = generate(component, {
    name: "component",
    instantiation: { tag: "async" },
    asyncMode: {
      tag: "jspi",
      val: { imports: [...command.asyncImports], exports: [...command.asyncExports] },
    },
    map: [],
    noTypescript: true,
    noNodejsCompat: true,
    noComponentErrorWrapping: true,
  });

  const glue = files.find(([name]) => name.endsWith(".js"))?.[1];
  if (glue === undefined) throw new TypeError("jco generated no glue");
  const mended = mendGlue(glue);
  requireCompilable(mended);
  const originals = files.filter(([name]) => name.endsWith(".wasm"));
  const modules = meter(originals, command);

  const parts: Parts = {
    glueBytes: mended.length,
    modules: modules.map(({ name, wasm }) => ({ name, bytes: wasm.length })),
    instantiationFuel: modules.reduce((sum, { instantiationFuel }) => sum + instantiationFuel, 0),
  };
  const pieces = [mended, ...modules.map(({ wasm }) => wasm)];
  return {
    parts,
    body: concatBytes(
      pieces,
      pieces.reduce((sum, piece) => sum + piece.length, 0),
    ),
  };
}

function meter(
  originals: readonly [name: string, wasm: Uint8Array][],
  { maxMemoryBytes, canonicalNans }: PrepareCommand,
) {
  for (const [name, wasm] of originals) {
    // The original bytes: some modules that are invalid would become valid by being metered.
    if (!WebAssembly.validate(wasm.slice()))
      throw new TypeError(
        `core module ${name} is not valid WebAssembly, or uses a feature that this runtime does not know`,
      );
  }
  const caps = shareMemory(
    originals.map(([, wasm]) => wasm),
    maxMemoryBytes,
  );
  return originals.map(([name, bytes], index) => {
    const { wasm, stats } = instrument(bytes, {
      maxMemoryBytes: Math.max(0, caps[index] ?? 0),
      canonicalNans,
    });
    return { name, wasm, instantiationFuel: stats.instantiationFuel };
  });
}

/** Glue that does not compile would kill each executor that loads it, and look like a guest that broke out. */
function requireCompilable(glue: Uint8Array): void {
  try {
    compileGlue(new TextDecoder().decode(glue));
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw new TypeError(`the code generator made invalid code of it (${cause.message})`);
  }
}

/**
 * jco 1.35 answers an exception out of a waiting import without a result (`pollable.block`, `poll`) with a promise
 * that never settles: a guest that forged a handle would hold its executor until the deadline. Thrown on instead,
 * as jco does for imports that do not wait, it reaches the guard, which stops the run.
 */
function mendGlue(glue: Uint8Array): Uint8Array {
  const text = new TextDecoder().decode(glue);
  return new TextEncoder().encode(
    text.replace(
      /(\[Instruction::CallInterface\] error during async call'[^}]*\}\);[^}]*?)return task\.completionPromise\(\);/g,
      "$1throw err;",
    ),
  );
}
