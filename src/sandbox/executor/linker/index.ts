/**
 * The linker: carries out a component's link plan for one run. Values cross by the canonical ABI of the component
 * model, read and written by closures made once per component; nothing is generated and nothing is evaluated.
 */
export { AbiTrap } from "./abi-trap.ts";
export {
  COPY,
  type OnCopy,
  type OnDone,
  type Readable,
  type Values,
  type WritableBuffer,
} from "./async/channel.ts";
export { type HostWork, MOST_THREADS } from "./async/scheduler.ts";
export type { ComponentFunction } from "./call.ts";
export { type CompiledPlan, compilePlan } from "./compile.ts";
export { type CoreState, nobodysDoor } from "./core-state.ts";
export {
  type LinkedComponent,
  type LinkedModule,
  type LinkPowers,
  linkComponent,
} from "./link.ts";
export { createRefillHooks, type RefillHooks } from "./refill-hook.ts";
