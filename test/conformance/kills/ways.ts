/** The ways of refusing to stop: a guest for each, on a budget of fuel that would last for hours. */
import type { HostReply, SandboxComponent } from "../../../src/ports/index.ts";
import {
  componentOf,
  LOG_IMPORT,
  MEMORY_MODULE,
  RUN_INFO_IMPORT,
  sampleTool,
} from "../../support/components.ts";
import { ECHO_GUEST, INNER_ECHO_GUEST, LOGGING_PART, SPIN_GUEST, WAIT_GUEST } from "../../support/guests.ts";
import type { CallOptions, TestSandbox } from "../../support/sandbox.ts";

const MIB = 1024 * 1024;
const FUEL = 1e15;
/** An engine has to be compiled first, in a process that has never seen it. */
const ENGINE_TIME_TO_LIVE_MS = 4000;
/** Every so many kills one is of an engine: loading it takes longer than everything else. */
const ENGINE_EVERY = 40;

/** A guest that refuses to stop. */
export interface Way {
  readonly name: string;
  readonly timeToLiveMs: number;
  run(tenant: string): ReturnType<TestSandbox["call"]>;
}

/** Loops inside of a call of ours: the host asks for room, and never gets it. */
const GLUE_GUEST = `(component ${RUN_INFO_IMPORT}
  (core module $libc (memory (export "memory") 1)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) loop $again br $again end unreachable))
  (core instance $libc (instantiate $libc))
  (core func $describe (canon lower (func $describe)
    (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
  (core module $guest (import "h" "describe" (func $describe (param i32)))
    (func (export "run") (call $describe (i32.const 16))))
  (core instance $guest (instantiate $guest (with "h" (instance (export "describe" (func $describe))))))
  (func (export "run") (canon lift (core func $guest "run"))))`;

/** Throws, catches everything, and goes on, for ever, where nothing can suspend it: one component calls another. */
const CATCHING_GUEST = `(component
  (component $catches
    (core module $guest (tag $e)
      (func (export "run") loop $again
        block $caught try_table (catch_all $caught) (throw $e) end end
        br $again end))
    (core instance $guest (instantiate $guest))
    (func (export "run") (canon lift (core func $guest "run"))))
  (component $asks
    (import "run" (func $run))
    (core func $run (canon lower (func $run)))
    (core module $guest (import "h" "run" (func $run)) (func (export "run") (call $run)))
    (core instance $guest (instantiate $guest (with "h" (instance (export "run" (func $run))))))
    (func (export "run") (canon lift (core func $guest "run"))))
  (instance $catches (instantiate $catches))
  (instance $asks (instantiate $asks (with "run" (func $catches "run"))))
  (export "run" (func $asks "run")))`;

const LOGGING_GUEST = `(component ${LOG_IMPORT} ${MEMORY_MODULE} ${LOGGING_PART})`;

/**
 * @param usualTimeToLiveMs of every guest but an engine
 * @returns the ways in turn, prepared, for what is measured is their end; and a call that ends once a tenant has an
 *   executor that is ready
 */
export async function prepareWays(
  { call, sandbox }: TestSandbox,
  usualTimeToLiveMs: number,
): Promise<{ at(kill: number): Way; begin(tenant: string): Promise<void> }> {
  async function way(
    name: string,
    component: SandboxComponent,
    options: CallOptions & { readonly export?: string } = {},
  ): Promise<Way> {
    const {
      export: func = "run",
      memoryBytes = 4 * MIB,
      timeToLiveMs = usualTimeToLiveMs,
      ...rest
    } = options;
    await sandbox.prepare(component, memoryBytes);
    return {
      name,
      timeToLiveMs,
      run: (tenant) =>
        call(component, func, rest.input ?? {}, { ...rest, tenant, memoryBytes, timeToLiveMs, fuel: FUEL }),
    };
  }

  const never = () => new Promise<HostReply>(() => undefined);
  const small = [
    await way("loops, and takes turns", await componentOf(SPIN_GUEST)),
    await way("loops where nothing can suspend it", await componentOf(INNER_ECHO_GUEST), { export: "spin" }),
    await way("loops in the host's request for room", await componentOf(GLUE_GUEST)),
    await way("catches everything, where nothing can suspend it", await componentOf(CATCHING_GUEST)),
    await way("waits for the clock", await componentOf(WAIT_GUEST)),
    await way("waits for a broker that never answers", await componentOf(LOGGING_GUEST), {
      input: { n: 1 },
      reply: never,
    }),
  ];
  const engine = await way("backtracks in a regular expression, in JavaScript", await sampleTool("rogue"), {
    export: "backtrack",
    memoryBytes: 64 * MIB,
    timeToLiveMs: ENGINE_TIME_TO_LIVE_MS,
  });
  const echo = await componentOf(ECHO_GUEST);
  return {
    async begin(tenant) {
      await call(echo, "run", { n: 1 }, { tenant, timeToLiveMs: 60_000 });
    },
    at(kill) {
      const found = kill % ENGINE_EVERY === ENGINE_EVERY - 1 ? engine : small[kill % small.length];
      if (found === undefined) throw new TypeError("There are no ways");
      return found;
    },
  };
}
