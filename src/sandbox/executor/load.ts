/** Makes a prepared component runnable in this process: compiles its modules and what its plan says. Once per process. */
import type { LinkPlan } from "../../core/component/index.ts";
import type { Frame } from "../pipe/frames.ts";
import type { LoadCommand } from "../pipe/messages.ts";
import { waitingFunctions } from "./bindings.ts";
import type { SplitModule } from "./image.ts";
import { createKeptInstances } from "./kept-instances.ts";
import { compilePlan, createRefillHooks } from "./linker/index.ts";
import { createMemoryPool } from "./memory-pool.ts";
import type { LoadedComponent } from "./run.ts";
import type { ExposedModule } from "./steady.ts";

/** The JSON part of a prepared component. */
export interface PreparedLinks {
  readonly plan: LinkPlan;
  /** By their place in the plan. */
  readonly modules: readonly (Pick<SplitModule, "memory" | "start"> & Pick<ExposedModule, "globals">)[];
}

/** @param frame the command's, whose body holds the plan, the modules and the images */
export function loadComponent(command: LoadCommand, frame: Frame): LoadedComponent {
  const { imports, instantiationFuel, planBytes } = command;
  let offset = 0;
  const take = (bytes: number) => {
    offset += bytes;
    return frame.body.subarray(offset - bytes, offset);
  };
  // The preparer's, checked against its digest by the gateway; this process is a cage in any case.
  const links = JSON.parse(new TextDecoder().decode(take(planBytes))) as PreparedLinks;
  const modules = command.modules.map((bytes) => new WebAssembly.Module(take(bytes) as BufferSource));
  // Copies, for they are kept: the code, which the engine has its own copy of, is let go.
  const images = command.images.map((bytes) => take(bytes).slice());
  const waiting = new Map(
    imports.filter(({ served }) => served).map(({ name }) => [name, new Set(waitingFunctions(name))]),
  );
  const isWaiting = (scope: string | null, name: string) => waiting.get(scope ?? "")?.has(name) === true;
  return {
    compiled: compilePlan(links.plan, isWaiting),
    modules: modules.map((module, index) => ({ module, start: links.modules[index]?.start === true })),
    memories: createMemoryPool(
      links.modules.map(({ memory }, index) =>
        memory === null ? null : { ...memory, image: images[index] ?? new Uint8Array(0) },
      ),
    ),
    hooks: createRefillHooks(),
    instances: createKeptInstances(links.modules.map(({ globals }) => globals)),
    imports,
    instantiationFuel,
  };
}
