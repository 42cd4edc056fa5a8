/**
 * What whoever runs metered modules needs of metering: its counters, what it charges beside them, versions, profiles. Never
 * the pass, which is some fifty modules that an executor would load in vain: `core/metering/index.ts` has all of it.
 */

export { COST_TABLE_VERSION } from "../costs.ts";
export { FUEL_IMPORT, REFUSED_GROWTH } from "../fuel-import.ts";
export type { Crossing } from "../host-costs.ts";
export {
  BROKER_CALL_COST,
  crossingCost,
  HOST_CALL_COST,
  LIFTED_BYTES_PER_UNIT,
  LOWERED_BYTES_PER_UNIT,
  TASK_SWITCH_COST,
  UNITS_PER_VALUE,
  WAITING_TASK_COST,
} from "../host-costs.ts";
export { PROFILE_IMPORT } from "../profile/profile-events.ts";
export type { ProfiledCounter, ProfileNode, Profiler } from "../profile/profile-tree.ts";
export { createProfiler, MAX_PROFILE_NODES } from "../profile/profile-tree.ts";
export { METER_VERSION } from "../version.ts";
