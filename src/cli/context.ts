/** What a command is added with. No behaviour. */
import type { CliWorld } from "./world.ts";

/** What every command is added with. */
export interface CommandContext {
  readonly world: CliWorld;
  /** Sets the exit code; a command that says nothing ends well. */
  readonly end: (code: number) => void;
}
