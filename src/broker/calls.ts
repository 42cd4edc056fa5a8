/**
 * The broker's table: every capability that an executor can call. A new one is a file and a row here.
 *
 * Clocks, randomness, environment and run info are not here: the executor serves them itself, since they give a
 * guest nothing that the gateway guards.
 */
import type { Capability, RunContext } from "./capability.ts";
import { createFilesystem } from "./filesystem.ts";
import { createHttpClient } from "./http-client.ts";
import { createKeyvalue } from "./keyvalue.ts";
import { createLog } from "./log.ts";
import { createRefused } from "./refused.ts";
import { createSecrets } from "./secrets.ts";
import { createSigning } from "./signing.ts";
import { createSockets } from "./sockets.ts";
import { createStdio } from "./stdio.ts";
import { createTools } from "./tools.ts";

/** Makes each capability live for one run. The calls' names are `<capability>/<verb>`. */
export const CAPABILITIES: readonly ((context: RunContext) => Capability)[] = [
  createHttpClient,
  createLog,
  createStdio,
  createSecrets,
  createSigning,
  createKeyvalue,
  createFilesystem,
  createSockets,
  createTools,
  createRefused,
];
