/**
 * What the events of a profile are called, and what their numbers mean: for the pass that adds them and the host that hears them.
 */

import { OPERATOR_COSTS } from "../costs.ts";

/** What a profiled module imports. */
export const PROFILE_IMPORT = {
  module: "writ:profile",
  enter: "enter",
  leave: "leave",
  resume: "resume",
} as const;

/** How many functions of a module can be told apart; V8 takes a million. */
export const PROFILED_FUNCTIONS = 2 ** 20;

/** Of `added` of an `enter` with own cost: what is only taken behind the event, in the function that was entered. */
export const ADDED_BEHIND_ENTER = OPERATOR_COSTS.simple;
