/** The components of past runs, as far as their very bytes are still here. */
import { GatewayError } from "../../core/errors.ts";
import type { RunPredicate } from "../../core/manifest/index.ts";
import type { CapabilityWord } from "../../core/policy/index.ts";
import type { ReplayedTool } from "../../gateway/index.ts";
import { openComponent } from "../components/component-file.ts";
import { UsageError } from "../usage-error.ts";
import type { CliWorld } from "../world.ts";
import { findReplayedTool } from "./replay-tool.ts";

/** The components that are here, each looked at once. */
export class Components {
  readonly #world: CliWorld;
  readonly #folder: string;
  readonly #needs = new Map<string, Promise<readonly CapabilityWord[] | undefined>>();
  readonly #tools = new Map<string, Promise<ReplayedTool | undefined>>();

  constructor(world: CliWorld, folder: string) {
    this.#world = world;
    this.#folder = folder;
  }

  /** @returns undefined when the bytes that ran are not here */
  needs({ tool, artifact_hash }: RunPredicate): Promise<readonly CapabilityWord[] | undefined> {
    return remember(this.#needs, artifact_hash, async () => {
      const { intake } = await openComponent(this.#world, `${this.#folder}/${tool}/${tool}.wasm`);
      return `sha256:${intake.digest}` === artifact_hash ? intake.needs : undefined;
    });
  }

  /** @returns undefined when the bytes that ran are not here */
  find(predicate: RunPredicate): Promise<ReplayedTool | undefined> {
    const { tool, function: func, artifact_hash: artifactHash } = predicate;
    const head = { tool, function: func, artifactHash };
    return remember(this.#tools, `${artifactHash} ${func}`, () =>
      findReplayedTool(this.#world, head, this.#folder),
    );
  }
}

function remember<T>(
  known: Map<string, Promise<T | undefined>>,
  key: string,
  make: () => Promise<T | undefined>,
): Promise<T | undefined> {
  const found = known.get(key);
  if (found !== undefined) return found;
  const made = make().catch((error: unknown) => {
    if (error instanceof UsageError || error instanceof GatewayError) return undefined;
    throw error;
  });
  known.set(key, made);
  return made;
}
