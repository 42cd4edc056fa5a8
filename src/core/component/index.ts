/**
 * The room of components: decode a binary, check its imports against an offer, describe its functions as JSON
 * Schema, and carry JSON values across its border in both directions.
 */

export { type FlatType, MAX_FLAT_ASYNC_PARAMS, MAX_FLAT_PARAMS, MAX_FLAT_RESULTS } from "./abi.ts";
export {
  checkImports,
  type ImportCheck,
  type ItemCheck,
  WORLD,
} from "./check-imports.ts";
export { checkInput, checkValue, MAX_FAULTS } from "./check-value.ts";
export { compatibleInterfaces, compatibleVersions } from "./compatible.ts";
export { decode } from "./decode.ts";
export { formatDefinition, formatFunction, formatStructure, formatType } from "./format.ts";
export {
  answerFromGuest,
  fromGuest,
  type GuestAnswer,
  GuestValueMismatch,
} from "./from-guest.ts";
export { type Json, jsonObstacle } from "./json-type.ts";
export { LIMITS } from "./limits.ts";
export type {
  LinkPlan,
  PlanCoreInstance,
  PlanCoreItem,
  PlanFunction,
  PlanOptions,
  PlanResource,
  PlanSignature,
  PlanTrampoline,
  PlanType,
} from "./link-plan.ts";
export { nameFault } from "./name-gate.ts";
export {
  type ExternName,
  type FunctionKind,
  type InterfaceId,
  lowerCamel,
  parseExternName,
  parseInterfaceId,
} from "./names.ts";
export { OutputTooLarge } from "./output-meter.ts";
export { planLinks } from "./plan.ts";
export type { ChannelAction, TaskBuiltin } from "./recipe.ts";
export { inputSchema, type JsonSchema, outputSchema, typeSchema } from "./schema.ts";
export { toGuest, toGuestArguments } from "./to-guest.ts";
export type {
  ComponentDescription,
  CoreExport,
  CoreImport,
  CoreKind,
  CoreModule,
  PrimitiveKind,
  Producer,
  ResourceRef,
  WitCase,
  WitField,
  WitFunction,
  WitInterface,
  WitNamedType,
  WitResource,
  WitScope,
  WitSide,
  WitType,
} from "./wit.ts";
