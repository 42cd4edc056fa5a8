/**
 * Composition root of the child processes: `executor.ts run` serves runs, `executor.ts prepare` prepares one
 * component. Started by the gateway with nothing but a pipe; see `runtime/lockdown.ts`.
 */
import { executorHost } from "#executor-runtime";
import { serveExecutor, servePreparer } from "./sandbox/executor/index.ts";

const serve = executorHost.role === "prepare" ? servePreparer : serveExecutor;
await serve(executorHost);
// The pipe is closed: the gateway is gone or done with us.
executorHost.exit(0);
