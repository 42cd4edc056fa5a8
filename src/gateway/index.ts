/** The gateway: one invocation's story, and what can be asked about it afterwards. */

export { createGateway, type GatewayParts } from "./gateway.ts";
export { readTile, writeTrustedRoot } from "./log.ts";
export type { Versions } from "./predicate.ts";
export { type ReplayedTool, type ReplayReport, replay, replayRun } from "./replay.ts";
export type * from "./types.ts";
