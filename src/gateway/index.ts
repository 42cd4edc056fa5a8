/** The gateway: one invocation's story, and what can be asked about it afterwards. */

export { type Backtested, type BacktestVerdict, backtest, type PastRun, TAKING } from "./backtest.ts";
export { type RunAgain, runAgain } from "./backtest-run.ts";
export { createGateway, type GatewayParts } from "./gateway.ts";
export { firstRunOf, newActionId } from "./ids.ts";
export { actOfIssue, actOfRevocation, describeKey } from "./keys.ts";
export { readTile, writeTrustedRoot } from "./log.ts";
export type * from "./operator.ts";
export { type ReplayedTool, type ReplayReport, replay, replayRun } from "./replay.ts";
export { ActionKeeper, describeChange } from "./tool-actions.ts";
export type * from "./types.ts";
export type { Versions } from "./versions.ts";
export { versionOf } from "./watch.ts";
