/**
 * The executor's own loop: reads commands from the gateway, runs guests, reports. Many runs of one tenant may be under
 * way: one computes, and those that wait for a host call or a clock cost their instance alone. It holds no key, no secret and
 * no other tenant's data. Whoever owns this process can lie about fuel and memory, and speak for the same tenant's later
 * runs in it; nothing else.
 */
import type { ExecutorHost, HostReply } from "../../ports/index.ts";
import { encodeFrame, type Frame, FrameReader } from "../pipe/frames.ts";
import type { LoadCommand, ReplyCommand, Report, RunCommand, StopCommand } from "../pipe/messages.ts";
import { encodeProfile } from "../pipe/profile.ts";
import type { BrokerReply, RunPowers } from "./context.ts";
import { loadComponent } from "./load.ts";
import { createRooms, ROOM_BYTES } from "./rooms.ts";
import { type LoadedComponent, type RunUnderWay, startRun } from "./run.ts";
import { createTurns } from "./turns.ts";

/** Commands come from the gateway; the limit only keeps a broken pipe from filling memory. */
const LARGEST_COMMAND_BYTES = 512 * 1024 * 1024;
const NO_BYTES = new Uint8Array(0);

/** Somebody who waits for an answer. */
interface Waiting {
  readonly answer: (reply: BrokerReply) => void;
  readonly roomy: boolean;
  /** Where its bytes come, once they do. */
  room: Uint8Array | undefined;
}

/** Serves until the pipe closes. */
export async function serveExecutor(host: ExecutorHost): Promise<void> {
  const components = new Map<string, LoadedComponent>();
  /** Calls that the gateway has not answered, of all runs: a number is given once in the life of the process. */
  const waiting = new Map<number, Waiting>();
  const runs = new Map<string, { readonly underWay: RunUnderWay; readonly own: Set<number> }>();
  const turns = createTurns(host);
  const rooms = createRooms();
  let calls = 0;

  const report = (message: Report, body?: Uint8Array) => host.write(encodeFrame(message, body));
  /** Not waited for. Who can not be told anything any more is gone, and what runs here has no one to run for. */
  const tell = (message: Report, body?: Uint8Array) => void report(message, body).catch(() => host.exit(70));

  async function run(command: RunCommand): Promise<void> {
    const component = components.get(command.key);
    if (component === undefined) throw new TypeError(`Cannot run "${command.key}": it was not loaded`);
    const own = new Set<number>();
    let takesTurns = false;
    const powers: RunPowers = {
      rooms,
      ask(name, args, body = NO_BYTES, roomy = false) {
        const call = calls++;
        own.add(call);
        const fuelUsed = underWay.fuelUsed();
        const trace = underWay.takeTrace();
        const asked = { type: "call", run: command.run, call, name, args, fuelUsed } as const;
        tell(trace === undefined ? asked : { ...asked, trace }, body);
        return new Promise((resolve) => {
          const answer = (reply: BrokerReply) => {
            own.delete(call);
            resolve(reply);
          };
          waiting.set(call, { answer, roomy, room: undefined });
        });
      },
      pause: (isWaiting) => tell({ type: "pause", run: command.run, waiting: isWaiting }),
      turn() {
        const next = turns.next();
        if (next === undefined || takesTurns) return next;
        takesTurns = true;
        tell({ type: "turns", run: command.run });
        return next;
      },
    };
    turns.begin();
    const underWay = startRun(component, command, powers, host);
    runs.set(command.run, { underWay, own });
    const { profile, ...ended } = await underWay.report;
    runs.delete(command.run);
    // What it asked and nobody answered any more: a late reply finds nobody.
    for (const call of own) waiting.delete(call);
    const trace = underWay.takeTrace();
    await report(
      { type: "end", run: command.run, ...ended, ...(trace && { trace }) },
      encodeProfile(profile),
    );
    underWay.giveBack();
  }

  function stop(run: string): void {
    const found = runs.get(run);
    if (found === undefined) return;
    found.underWay.stop();
    // Whatever it waits for will not be answered: it wakes, finds that it is stopped, and traps.
    for (const call of found.own) {
      waiting.get(call)?.answer({ kind: "stop", outcome: { kind: "revoked", reason: "stopped-by-gateway" } });
      waiting.delete(call);
    }
  }

  function obey(frame: Frame): void {
    // From the gateway, which is trusted.
    const command = frame.head as unknown as LoadCommand | RunCommand | ReplyCommand | StopCommand;
    switch (command.type) {
      case "load":
        components.set(command.key, loadComponent(command, frame));
        tell({ type: "loaded", key: command.key });
        break;
      case "run":
        // Not awaited: replies to its calls, and other runs, arrive through this same loop.
        void run(command).catch(() => host.exit(70));
        break;
      case "stop":
        stop(command.run);
        break;
      case "reply": {
        const asker = waiting.get(command.call);
        asker?.answer(withBody(command.reply, frame.body, asker.room));
        waiting.delete(command.call);
        break;
      }
    }
  }

  /** Should the asker's run end before all of the bytes are there, the room is lost with it: nobody gives it back. */
  function roomFor({ type, call }: Frame["head"], bytes: number): Uint8Array | undefined {
    const asker = type === "reply" ? waiting.get(Number(call)) : undefined;
    if (asker?.roomy !== true || bytes === 0 || bytes > ROOM_BYTES) return undefined;
    asker.room = rooms.take();
    return asker.room.subarray(0, bytes);
  }

  await report({ type: "ready", runtime: host.runtime, verified: await host.probe() });
  const frames = new FrameReader({ frameBytes: LARGEST_COMMAND_BYTES, trusted: true, roomFor });
  await host.readInput(
    (chunk) => {
      for (const frame of frames.read(chunk)) obey(frame);
    },
    () => frames.place,
  );
}

function withBody(reply: HostReply, body: Uint8Array, room: Uint8Array | undefined): BrokerReply {
  return reply.kind === "ok" ? { ...reply, body, room } : reply;
}
