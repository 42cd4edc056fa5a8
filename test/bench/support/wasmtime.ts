/** The peer: wasmtime by its Python package, in a process that answers one call after another. */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { join } from "node:path";
import { env } from "node:process";
import { createInterface } from "node:readline";

/** Calls of one core module in wasmtime. */
export interface Wasmtime {
  readonly version: string;
  /** @returns what the call gave, and how long it took inside that process */
  call(way: "plain" | "fuel", name: string, size: number): Promise<{ ms: number; result: number }>;
  close(): void;
}

/**
 * Opens a core module that imports nothing.
 *
 * @returns undefined where `WRIT_BENCH_PYTHON` (default `python3`) has no package `wasmtime`
 */
export async function openWasmtime(wasm: string): Promise<Wasmtime | undefined> {
  const script = join(import.meta.dirname, "../peers/wasmtime/serve.py");
  const child = spawn(env["WRIT_BENCH_PYTHON"] ?? "python3", [script, wasm], {
    stdio: ["pipe", "pipe", "pipe"],
  });
  const lines = linesOf(child);
  const next = async (): Promise<Record<string, unknown> | undefined> => {
    const { value, done } = await lines.next();
    return done ? undefined : JSON.parse(value);
  };
  const greeting = await next();
  if (greeting === undefined) return undefined;
  return {
    version: String(greeting["version"]),
    async call(way, name, size) {
      child.stdin.write(`${way} ${name} ${size}\n`);
      const answer = await next();
      if (answer === undefined) throw new Error(`wasmtime ended at ${name}`);
      return { ms: Number(answer["ms"]), result: Number(answer["result"]) };
    },
    close: () => child.stdin.end(),
  };
}

async function* linesOf(child: ChildProcessWithoutNullStreams): AsyncGenerator<string> {
  const started = new Promise<boolean>((resolve) => {
    child.once("spawn", () => resolve(true));
    child.once("error", () => resolve(false));
  });
  if (await started) yield* createInterface({ input: child.stdout });
}
