/** The real gateway as a process of its own, as `writ serve` starts it: `gateway-server.ts <data folder> <executors>`. */
import { runtime } from "#runtime";
import { PROJECT_FOLDER } from "../../../src/compose.ts";
import { startServer } from "../../../src/serve.ts";

const [dataFolder = "", executors = "2"] = runtime.args;
const server = await startServer(runtime, {
  hostname: "127.0.0.1",
  port: 0,
  dataFolder,
  toolsFolder: `${PROJECT_FOLDER}/.writ/tools`,
  profilesFile: `${dataFolder}/profiles.yaml`,
  executors: Number(executors),
  demo: false,
  say: () => undefined,
  // As `writ serve` does: every request has its line, and writing it is part of what a request costs.
  log: (line) => runtime.printError(JSON.stringify(line)),
});
runtime.print(JSON.stringify({ url: server.url, key: server.bootstrapKey }));
for await (const _ of process.stdin) continue;
await server.stop();
