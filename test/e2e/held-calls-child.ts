/**
 * A gateway that dies while the intent of its second run is on its way: to the system, while its guest computes already, or
 * to the disk, because the guest has asked for something. Arguments: the data folder, which has the tools; `system` or `disk`.
 */
import { writeSync } from "node:fs";
import { runtime } from "#runtime";
import { startServer } from "../../src/serve.ts";
import { hasIntents, withCommits } from "../support/commits.ts";
import { testConfig } from "../support/gateway.ts";

const [folder = "", when] = runtime.args;
let runs = 0;
const dying = withCommits((make, commit) => {
  if (hasIntents(commit)) runs++;
  // Whoever syncs takes the intent along.
  const isOnItsWay = when === "system" ? hasIntents(commit) : commit.synced;
  if (runs === 2 && isOnItsWay) process.kill(process.pid, "SIGKILL");
  make();
});
const config = testConfig(folder, {
  ...{ toolsFolder: `${folder}/tools`, executors: 1, egressAllow: ["127.0.0.1/32"], logLevel: "silent" },
});
const server = await startServer(dying, config, () => undefined);
writeSync(1, `${JSON.stringify({ url: server.url, key: server.bootstrapKey })}\n`);
