/** The child's own code: what runs inside an executor process. */
export { serveExecutor } from "./serve.ts";
