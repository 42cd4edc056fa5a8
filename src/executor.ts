/**
 * Composition root of the child processes: `executor.ts run` serves runs, `executor.ts prepare` prepares one
 * component. Started by the gateway with nothing but a pipe; see `runtime/lockdown.ts`.
 */
import { executorHost } from "#executor-runtime";

// Each loads what is its own: an executor's start is what a run waits for, and a preparer is much that it never uses.
if (executorHost.role === "prepare") {
  const { servePreparer } = await import("./sandbox/executor/preparer/index.ts");
  await servePreparer(executorHost);
} else {
  const { serveExecutor } = await import("./sandbox/executor/index.ts");
  await serveExecutor(executorHost);
}
// The pipe is closed: the gateway is gone or done with us.
executorHost.exit(0);
