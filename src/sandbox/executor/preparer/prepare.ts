/**
 * The preparer's whole life: one component in, its link plan and metered core modules out. It runs in a process of its
 * own that ends afterwards: a large component takes seconds, in which nobody else has to wait, and whoever finds a
 * way to break the decoder has won the right to prepare his own component wrongly, and nothing else.
 */
import { joinBytes } from "../../../core/bytes.ts";
import { type CoreModule, type LinkPlan, planLinks } from "../../../core/component/index.ts";
import { GatewayError, refuseComponent } from "../../../core/errors.ts";
import {
  addProfile,
  codeBytesOf,
  DEFAULT_MAX_TABLE_ELEMENTS,
  instrument,
} from "../../../core/metering/index.ts";
import type { ExecutorHost, PreparationStep } from "../../../ports/index.ts";
import { encodeFrame, type Frame, FrameReader } from "../../pipe/frames.ts";
import type { Parts, PrepareCommand, Report } from "../../pipe/messages.ts";
import { IMAGE_NAME, splitModule } from "../image.ts";
import { MOST_THREADS } from "../linker/index.ts";
import type { PreparedLinks } from "../load.ts";
import { shareMemory, shareTables } from "../memories.ts";
import { exposeGlobals } from "../steady.ts";

const LARGEST_COMMAND_BYTES = 128 * 1024 * 1024;

/** Serves one `prepare` command, then returns. */
export async function servePreparer(host: ExecutorHost): Promise<void> {
  const frame = await firstFrame(host);
  if (frame === undefined) return;
  const command = frame.head as unknown as PrepareCommand; // From the gateway, which is trusted.
  const { report, body } = prepare(
    command,
    frame.body,
    createSteps(() => host.monotonicMs()),
  );
  await host.write(encodeFrame(report, body));
}

/** @returns undefined when the gateway is gone before it has said anything */
function firstFrame(host: ExecutorHost): Promise<Frame | undefined> {
  const frames = new FrameReader({ frameBytes: LARGEST_COMMAND_BYTES, trusted: true });
  return new Promise((resolve, reject) => {
    const take = (chunk: Uint8Array) => {
      for (const frame of frames.read(chunk)) resolve(frame);
    };
    host.readInput(take, () => frames.place).then(() => resolve(undefined), reject);
  });
}

function prepare(
  command: PrepareCommand,
  component: Uint8Array,
  steps: Steps,
): { readonly report: Report; readonly body?: Uint8Array } {
  try {
    const { parts, body } = assemble(component, command, steps);
    return { report: { type: "prepared", ...parts, steps: steps.taken }, body };
  } catch (error) {
    // Anything else is a bug of ours: the process ends with it, and the gateway shows what it said.
    if (!(error instanceof GatewayError)) throw error;
    return { report: { type: "refused", message: error.message.slice(0, 2000) } };
  }
}

/** What each step took, from the end of the one before it to its own. */
interface Steps {
  readonly taken: readonly PreparationStep[];
  took(step: PreparationStep["step"]): void;
}

function createSteps(nowMs: () => number): Steps {
  const taken: PreparationStep[] = [];
  let before = nowMs();
  return {
    taken,
    took(step) {
      const now = nowMs();
      taken.push({ step, ms: Math.round(now - before) });
      before = now;
    },
  };
}

/** Plans, meters and puts together what an executor loads. */
function assemble(
  component: Uint8Array,
  options: MeterOptions,
  { took }: Steps,
): { readonly parts: Parts; readonly body: Uint8Array } {
  const { plan, description } = planLinks(component, () => took("decode"));
  refuseOwnNames(description.coreModules);
  took("plan");
  const originals = plan.modules.map(({ offset, byteLength }) =>
    component.slice(offset, offset + byteLength),
  );
  refuseInvalid(component, description.coreModules);
  took("validate");
  const modules = meter(originals, plan, options).map(({ wasm, instantiationFuel, changesTables }) => {
    const split = splitModule(wasm);
    return { ...split, ...exposeGlobals(split.wasm, changesTables), instantiationFuel };
  });
  took("meter");
  // Not kept, for code does not leave its process: but what the engine does not take is found out now, not by a caller.
  for (const { wasm } of modules) new WebAssembly.Module(wasm);
  took("compile");
  const linked: PreparedLinks = {
    plan,
    modules: modules.map(({ memory, start, globals }) => ({ memory, start, globals })),
  };
  const text = new TextEncoder().encode(JSON.stringify(linked));
  const pieces = [text, ...modules.map(({ wasm }) => wasm), ...modules.map(({ image }) => image)];
  return {
    parts: {
      planBytes: text.length,
      modules: modules.map(({ wasm }) => wasm.length),
      images: modules.map(({ image }) => image.length),
      // A module that is instantiated twice fills its tables twice.
      instantiationFuel: plan.instances.reduce(
        (sum, { module }) => sum + (modules[module]?.instantiationFuel ?? 0),
        0,
      ),
      stacks: plan.async ? MOST_THREADS : 1,
    },
    body: joinBytes(
      pieces,
      pieces.reduce((sum, piece) => sum + piece.length, 0),
    ),
  };
}

/** All of them, those too that nothing instantiates. The original bytes: metering would make some invalid ones valid. */
function refuseInvalid(component: Uint8Array, modules: readonly CoreModule[]): void {
  for (const [index, { offset, byteLength }] of modules.entries()) {
    if (!WebAssembly.validate(component.slice(offset, offset + byteLength)))
      throw refuseComponent(
        `Cannot prepare the component: core module ${index} is not valid WebAssembly, or uses a feature that this runtime does not know`,
      );
  }
}

/** Names that are put into a module beside the guest's own must not be the guest's. */
function refuseOwnNames(modules: readonly CoreModule[]): void {
  const taken = modules.flatMap(({ exports }) => exports).find((it) => it.name.startsWith(IMAGE_NAME));
  if (taken !== undefined)
    throw refuseComponent(
      `Cannot prepare the component: a core module exports "${taken.name}", a name of the host's`,
    );
}

/** What the component is prepared for. */
type MeterOptions = Omit<PrepareCommand, "type">;

function meter(
  originals: readonly Uint8Array<ArrayBuffer>[],
  plan: LinkPlan,
  { maxMemoryBytes, canonicalNans, profiled, relaxedSimd }: MeterOptions,
) {
  const perInstance = plan.instances.map(({ module }) => originals[module] ?? new Uint8Array(0));
  const caps = shareMemory(perInstance, maxMemoryBytes);
  const maxTableElements = shareTables(perInstance, DEFAULT_MAX_TABLE_ELEMENTS);
  return originals.map((bytes, module) => {
    const first = plan.instances.findIndex((it) => it.module === module);
    const { wasm, stats } = instrument(profiled ? addProfile(bytes, module) : bytes, {
      maxMemoryBytes: Math.max(0, caps[first] ?? 0),
      maxTableElements,
      refill: true,
      noteRefusals: true,
      canonicalNans,
      allowRelaxedSimd: relaxedSimd,
      ...(profiled && { codeBytes: codeBytesOf(bytes) }),
    });
    return { wasm, instantiationFuel: stats.instantiationFuel, changesTables: stats.changesTables };
  });
}
