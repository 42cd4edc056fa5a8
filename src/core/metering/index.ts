/**
 * Metering: a pure function from a core module to one that counts its own fuel and keeps within limits.
 *
 * The fuel a run takes is the sum of the costs of the operators on the path it took, by the published table in
 * `costs.ts`; the same module and input take the same number on every runtime.
 */

export { COST_TABLE_VERSION, OPERATOR_COSTS } from "./costs.ts";
export { FUEL_EXPORT, FUEL_IMPORT, leftAfterTrap } from "./fuel-import.ts";
export type { MeteredModule, MeterOptions, MeterStats } from "./instrument.ts";
export { DEFAULT_MAX_CALL_DEPTH, instrument } from "./instrument.ts";
export { DEFAULT_MAX_TABLE_ELEMENTS, MAX_MODULE_BYTES } from "./limits.ts";
