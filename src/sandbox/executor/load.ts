/** Makes a prepared component runnable in this process: compiles its modules and what its plan says. Once per process. */
import type { LinkPlan } from "../../core/component/index.ts";
import type { Frame } from "../pipe/frames.ts";
import type { LoadCommand } from "../pipe/messages.ts";
import { waitingFunctions } from "./bindings.ts";
import { compilePlan } from "./linker/index.ts";
import type { LoadedComponent } from "./run.ts";

/** @param frame the command's, whose body holds the plan and the modules */
export function loadComponent(command: LoadCommand, frame: Frame): LoadedComponent {
  const { imports, instantiationFuel, planBytes } = command;
  let offset = planBytes;
  const modules = command.modules.map((bytes) => {
    const module = new WebAssembly.Module(frame.body.slice(offset, offset + bytes));
    offset += bytes;
    return module;
  });
  // The preparer's, checked against its digest by the gateway; this process is a cage in any case.
  const plan = JSON.parse(new TextDecoder().decode(frame.body.subarray(0, planBytes))) as LinkPlan;
  const waiting = new Map(
    imports.filter(({ served }) => served).map(({ name }) => [name, new Set(waitingFunctions(name))]),
  );
  const isWaiting = (scope: string | null, name: string) => waiting.get(scope ?? "")?.has(name) === true;
  return { compiled: compilePlan(plan, isWaiting), modules, imports, instantiationFuel };
}
