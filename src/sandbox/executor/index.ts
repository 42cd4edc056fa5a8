/** The child's own code: what runs inside an executor process, and inside a preparer. */
export { servePreparer } from "./prepare.ts";
export { serveExecutor } from "./serve.ts";
