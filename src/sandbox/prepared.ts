/**
 * Prepared components: made once per component, memory cap and versions in a process that ends afterwards, and
 * kept on disk. The cache is only a memory of work: an entry that is not exactly what was written is made again.
 */
import { toHex } from "../core/digest.ts";
import { GatewayError, refuseComponent } from "../core/errors.ts";
import { COST_TABLE_VERSION, METER_VERSION } from "../core/metering/host/index.ts";
import type { Clock, ExecutorProcess, Files, PreparationStep, SandboxComponent } from "../ports/index.ts";
import { createKept } from "./kept.ts";
import { decodeFrame, encodeFrame, type Frame, FrameError, readFrames } from "./pipe/frames.ts";
import { type Parts, type PrepareCommand, parseParts, parseReport } from "./pipe/messages.ts";

/** Changes whenever the same component would be prepared differently. */
const PREPARATION = `writ-link/7 ${COST_TABLE_VERSION} ${METER_VERSION}`;
/** Prepared components kept in memory beside the disk's: about ten of the largest kind. */
const KEPT_BYTES = 256 * 1024 * 1024;
const LARGEST_PREPARED_BYTES = 512 * 1024 * 1024;
/** The largest tools take a few seconds; what takes longer is hostile to the preparer. */
const LONGEST_PREPARATION_MS = 60_000;

/** A component as an executor loads it. */
export interface Prepared {
  readonly key: string;
  readonly parts: Parts;
  /** The link plan, then each module, then each image. */
  readonly body: Uint8Array;
  /** How it was made; empty when it was read from the cache. */
  readonly steps: readonly PreparationStep[];
}

/** Where prepared components come from. */
export interface Preparer {
  /** What was prepared and verified before, where it is still in memory: nothing has to be waited for. */
  find(component: SandboxComponent, maxMemoryBytes: number, runs?: PreparedFor): Prepared | undefined;
  /**
   * @param maxMemoryBytes cap that is written into the component's memories
   * @throws {GatewayError} `component-refused`; `sandbox-unavailable` when it is closed
   */
  prepare(component: SandboxComponent, maxMemoryBytes: number, runs?: PreparedFor): Promise<Prepared>;
  /** Ends what is being prepared: once it resolves no preparer lives, and nothing is written to the cache any more. */
  close(): Promise<void>;
}

/** What the runs of a component need of it. All default to false. */
export interface PreparedFor {
  /** They must repeat to the bit. */
  readonly repeatable?: boolean | undefined;
  /** Its modules tell which function they are in. */
  readonly profiled?: boolean | undefined;
  /** They may use relaxed SIMD, whose results differ between machines. */
  readonly relaxedSimd?: boolean | undefined;
}

/** What a component is prepared for, as the preparer is told. */
type Variant = Omit<PrepareCommand, "type">;

/**
 * @param powers `folder` is the cache's; `spawn` starts a preparer process
 */
export function createPreparer(powers: {
  readonly clock: Clock;
  readonly files: Files;
  readonly folder: string;
  readonly spawn: () => ExecutorProcess;
}): Preparer {
  const inMemory = createKept<Prepared>(KEPT_BYTES, ({ body }) => body.length);
  const underWay = new Map<string, Promise<Prepared>>();
  const alive = new Set<ExecutorProcess>();
  let closed = false;

  function spawn(): ExecutorProcess {
    const process = powers.spawn();
    alive.add(process);
    void process.exited.then(() => alive.delete(process));
    return process;
  }

  async function prepareOnce(name: string, component: SandboxComponent, options: Variant): Promise<Prepared> {
    const key = await sha256(new TextEncoder().encode(`${name} ${PREPARATION}`));
    const path = `${powers.folder}/${key}.prepared`;
    const bytes = await powers.files.read(path);
    const cached = bytes === undefined ? undefined : await readCached(key, bytes);
    if (cached !== undefined) return cached;
    if (closed) throw stopping();

    const { parts, body, steps } = await runPreparer(spawn(), powers.clock, component, options).catch(
      (error) => {
        // What it said when it was killed says nothing about the component.
        throw closed ? stopping() : error;
      },
    );
    await powers.files.write(path, encodeFrame({ ...parts, key, sha256: await sha256(body) }, body));
    return { key, parts, body, steps };
  }

  return {
    find: (component, maxMemoryBytes, runs = {}) => inMemory.get(nameOf(component, maxMemoryBytes, runs)),
    async prepare(component, maxMemoryBytes, runs = {}) {
      const { repeatable = false, profiled = false, relaxedSimd = false } = runs;
      const name = nameOf(component, maxMemoryBytes, runs);
      // What was verified once and never left this process needs no second look.
      const ready = inMemory.get(name) ?? underWay.get(name);
      if (ready !== undefined) return ready;
      const options = { maxMemoryBytes, canonicalNans: repeatable, profiled, relaxedSimd };
      const made = prepareOnce(name, component, options);
      underWay.set(name, made);
      try {
        const prepared = await made;
        // Whoever asks for it later does not wait for these steps.
        inMemory.set(name, { ...prepared, steps: [] });
        return prepared;
      } finally {
        underWay.delete(name);
      }
    },
    async close() {
      closed = true;
      for (const process of alive) process.kill();
      await Promise.all([...alive].map(({ exited }) => exited));
      await Promise.allSettled(underWay.values());
    },
  };
}

function stopping(): GatewayError {
  const refusal = { code: "sandbox-unavailable", retryAfterSeconds: 1 } as const;
  return new GatewayError("Cannot prepare the component: the gateway is stopping", refusal);
}

function nameOf(
  { digest }: SandboxComponent,
  maxMemoryBytes: number,
  { repeatable, profiled, relaxedSimd }: PreparedFor,
): string {
  const variant = `${repeatable ? " repeatable" : ""}${profiled ? " profiled" : ""}${relaxedSimd ? " relaxed-simd" : ""}`;
  return `${digest} ${maxMemoryBytes}${variant}`;
}

async function runPreparer(
  process: ExecutorProcess,
  clock: Clock,
  component: SandboxComponent,
  options: Variant,
): Promise<Omit<Prepared, "key">> {
  const command: PrepareCommand = {
    type: "prepare",
    ...options,
  };
  let late = false;
  const cancel = clock.after(LONGEST_PREPARATION_MS, () => {
    late = true;
    process.kill();
  });
  // A write to a process that is dying fails; what it said, or that it said nothing, is decided below.
  await process.write(encodeFrame(command, component.bytes)).catch(() => undefined);
  try {
    for await (const frame of readFrames(process.output, LARGEST_PREPARED_BYTES)) {
      const report = parseReport(frame);
      if (report.type === "prepared") {
        const { body, steps } = report;
        return { parts: checkParts(report, body), body, steps };
      }
      if (report.type === "refused") throw refuseComponent(report.message);
      throw new FrameError(`Cannot prepare: unexpected report ${report.type}`);
    }
  } catch (error) {
    if (!(error instanceof FrameError)) throw error;
    throw refuseComponent(`Cannot prepare the component: ${error.message}`);
  } finally {
    cancel();
    process.kill();
  }
  if (late)
    throw refuseComponent(`Cannot prepare the component: it takes longer than ${LONGEST_PREPARATION_MS} ms`);
  const { diagnostics } = await process.exited;
  throw refuseComponent(`Cannot prepare the component: the preparer ended without an answer: ${diagnostics}`);
}

async function readCached(key: string, bytes: Uint8Array): Promise<Prepared | undefined> {
  try {
    const { head, body } = decodeFrame(bytes);
    if (head["key"] !== key || head["sha256"] !== (await sha256(body))) return undefined;
    return { key, parts: checkParts(parseParts(head), body), body, steps: [] };
  } catch (error) {
    // Torn, truncated or tampered with: as good as absent.
    if (!(error instanceof FrameError)) throw error;
  }
  return undefined;
}

/** The parts must fill the body exactly, or a module could reach into its neighbour. */
function checkParts(parts: Parts, body: Frame["body"]): Parts {
  const total = [...parts.modules, ...parts.images].reduce((sum, bytes) => sum + bytes, parts.planBytes);
  if (total !== body.length)
    throw new FrameError(`Cannot read a prepared component: ${total} bytes named, ${body.length} there`);
  const { planBytes, modules, images, instantiationFuel, stacks } = parts;
  return { planBytes, modules, images, instantiationFuel, stacks };
}

async function sha256(bytes: Uint8Array): Promise<string> {
  // A copy only where the bytes are a window into something shared, which the digest does not accept.
  const digest = await crypto.subtle.digest("SHA-256", bytes as Uint8Array<ArrayBuffer>);
  return toHex(new Uint8Array(digest));
}
