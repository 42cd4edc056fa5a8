/**
 * A gateway that dies while its second intent is on its way to the disk, when the guest has had time to ask for what it
 * wants. Argument: the data folder, which has the tools.
 */
import { writeSync } from "node:fs";
import { runtime } from "#runtime";
import { startServer } from "../../src/serve.ts";
import { testConfig } from "../support/gateway.ts";
import { standStill, withIntentCommits } from "../support/intent-commits.ts";

const [folder = ""] = runtime.args;
const dying = withIntentCommits((commit, count) => {
  if (count === 0) return commit();
  standStill(200);
  process.kill(process.pid, "SIGKILL");
});
const config = testConfig(folder, {
  ...{ toolsFolder: `${folder}/tools`, executors: 1, egressAllow: ["127.0.0.1/32"], logLevel: "silent" },
});
const server = await startServer(dying, config, () => undefined);
writeSync(1, `${JSON.stringify({ url: server.url, key: server.bootstrapKey })}\n`);
