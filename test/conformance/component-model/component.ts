/**
 * A component of a script on its way through our own parts: the preparer as the gateway asks it, the executor's loader
 * and its linker. Nothing stands in for any of them; only the processes between them are left out.
 */
import type { ExecutorHost, ImportBinding } from "../../../src/ports/index.ts";
import { randomStream } from "../../../src/runtime/executor-common.ts";
import { createGuard, type RunGuard } from "../../../src/sandbox/executor/guard.ts";
import {
  type LinkedComponent,
  type LinkPowers,
  linkComponent,
} from "../../../src/sandbox/executor/linker/index.ts";
import { loadComponent } from "../../../src/sandbox/executor/load.ts";
import { servePreparer } from "../../../src/sandbox/executor/preparer/index.ts";
import type { LoadedComponent } from "../../../src/sandbox/executor/run.ts";
import { encodeFrame, readFrames } from "../../../src/sandbox/pipe/frames.ts";
import { type PrepareCommand, parseReport } from "../../../src/sandbox/pipe/messages.ts";

const LARGEST_FRAME_BYTES = 64 * 1024 * 1024;
const COMMAND: PrepareCommand = {
  type: "prepare",
  maxMemoryBytes: 256 * 1024 * 1024,
  canonicalNans: true,
  profiled: false,
  relaxedSimd: false,
};
/** Far more than any script needs, and few enough that an endless one ends. */
const LIMITS = { fuel: 1_000_000_000, liftedBytes: 2 ** 32, hostCalls: 1_000_000 };

/** What the preparer says no to, in words. */
export class Refused extends Error {
  override readonly name = "Refused";
}

/** A linked component and what watches over it. */
export interface Instance {
  readonly guard: RunGuard;
  readonly linked: LinkedComponent;
}

/** @throws {Refused} and nothing else, or the preparer has a bug */
export async function prepareComponent(
  bytes: Uint8Array,
  imports: readonly ImportBinding[] = [],
): Promise<LoadedComponent> {
  const written: Uint8Array[] = [];
  await servePreparer(createHost(encodeFrame(COMMAND, bytes), written));
  for await (const frame of readFrames(each(written), LARGEST_FRAME_BYTES)) {
    const report = parseReport(frame);
    if (report.type === "refused") throw new Refused(report.message);
    if (report.type !== "prepared") throw new TypeError(`The preparer reports ${report.type}`);
    const { planBytes, modules, images, instantiationFuel, stacks } = report;
    return loadComponent(
      { type: "load", key: "", imports, planBytes, modules, images, instantiationFuel, stacks },
      { head: {}, body: report.body },
    );
  }
  throw new TypeError("The preparer said nothing");
}

/** Links a component and instantiates it. What the guest does wrong is thrown. */
export async function instantiate(
  component: LoadedComponent,
  powers: Partial<Pick<LinkPowers, "memoryFor" | "hostFunction">> = {},
): Promise<Instance> {
  const guard = createGuard(LIMITS.hostCalls);
  const linked = linkComponent(component.compiled, {
    guard,
    fuel: LIMITS.fuel,
    liftedBytes: LIMITS.liftedBytes,
    modules: component.modules,
    hooks: component.hooks,
    profiled: false,
    memoryFor: (module) => component.memories.take(module),
    hostFunction: (scope, name) => () => {
      throw new TypeError(`A script calls the host's ${scope ?? "$root"}#${name}`);
    },
    ...powers,
  });
  await linked.instantiate();
  return { guard, linked };
}

function createHost(input: Uint8Array, written: Uint8Array[]): ExecutorHost {
  return {
    role: "prepare",
    async readInput(take) {
      take(input);
    },
    async write(bytes) {
      written.push(bytes);
    },
    runtime: "in-process",
    monotonicMs: () => performance.now(),
    nextRound: () => Promise.resolve(),
    randomStream,
    probe: () => Promise.resolve([]),
    exit() {
      throw new TypeError("The preparer exited");
    },
  };
}

async function* each(chunks: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* chunks;
}
