/** What of a tool is in force: which version a run is given, and what commands make of that. */
export { type Choice, choose, floorOf } from "./choose.ts";
export { type Commanded, command, firstState, rollbackTarget } from "./command.ts";
export { endsWith, type Followed, followFolder, placeAtStart } from "./folder.ts";
export {
  type Canary,
  type Floor,
  type FolderHistory,
  type Suspension,
  TOOL_COMMANDS,
  type ToolCommand,
  type ToolState,
} from "./types.ts";
