/** Executors of both runtimes from one test, whichever of them it runs on. */
import { runtime } from "#runtime";
import type { ExecutorProcess, ExecutorRole } from "../../src/ports/index.ts";

/** How to start an executor of each runtime, by the pinned packages. */
export const EACH_RUNTIME: readonly (readonly [
  name: "node" | "deno",
  start: (role: ExecutorRole) => ExecutorProcess,
])[] = [
  ["node", (role) => runtime.spawnExecutor(role, { runtime: "node" })],
  ["deno", (role) => runtime.spawnExecutor(role, { runtime: "deno" })],
];
