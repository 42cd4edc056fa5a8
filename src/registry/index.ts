/** The registry room: tools from folders, each decoded and checked before anything of it may run. */
export { type Board, createBoard } from "./board.ts";
export { registryChanges, registryState } from "./changes.ts";
export { type CommandContext, type CommandedTool, commandTool } from "./command-tool.ts";
export {
  admitComponent,
  type ComponentFunction,
  type ComponentImport,
  type Intake,
  inspectComponent,
} from "./intake.ts";
export { type LoadOptions, loadRegistry, registryOfOne } from "./load.ts";
export { type OfferParts, Offers } from "./offers.ts";
export {
  createRegistry,
  findFunction,
  holdRegistry,
  type Registry,
  type RegistryHolder,
  type RegistrySource,
  type Tool,
  type ToolFunction,
} from "./registry.ts";
export { RegistryError, type RegistryFault } from "./registry-error.ts";
export { describeVersion, policyIdsOf, policyTextsOf, restoreTool } from "./version.ts";
