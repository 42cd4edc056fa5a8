/**
 * The executor's own loop: reads commands from the gateway, runs guests, reports. It holds no key, no secret and
 * no other tenant's data. Whoever owns this process can lie about fuel and memory, and speak for the same tenant's later
 * runs in it; nothing else.
 */
import type { ExecutorHost, HostReply } from "../../ports/index.ts";
import { encodeFrame, type Frame, readFrames } from "../pipe/frames.ts";
import type { LoadCommand, ReplyCommand, Report, RunCommand } from "../pipe/messages.ts";
import type { AskBroker, BrokerReply } from "./context.ts";
import { compileGlue } from "./glue.ts";
import { readMemoryNeed } from "./memories.ts";
import { type LoadedComponent, startRun } from "./run.ts";

/** Commands come from the gateway; the limit only keeps a broken pipe from filling memory. */
const LARGEST_COMMAND_BYTES = 512 * 1024 * 1024;
const NO_BYTES = new Uint8Array(0);

/** Serves until the pipe closes. */
export async function serveExecutor(host: ExecutorHost): Promise<void> {
  const components = new Map<string, LoadedComponent>();
  const waiting = new Map<number, (reply: BrokerReply) => void>();
  let calls = 0;

  const report = (message: Report, body?: Uint8Array) => host.write(encodeFrame(message, body));

  async function run(command: RunCommand): Promise<void> {
    const component = components.get(command.key);
    if (component === undefined) throw new TypeError(`Cannot run "${command.key}": it was not loaded`);
    const ask: AskBroker = async (name, args, body = NO_BYTES) => {
      const call = calls++;
      const reply = new Promise<BrokerReply>((resolve) => waiting.set(call, resolve));
      await report({ type: "call", call, name, args, fuelUsed: underWay.fuelUsed() }, body);
      return reply;
    };
    const underWay = startRun(component, command, ask, host);
    const ended = await underWay.report;
    waiting.clear();
    await report({ type: "end", run: command.run, ...ended });
  }

  await report({ type: "ready", runtime: host.runtime, verified: await host.probe() });
  for await (const frame of readFrames(host.input, LARGEST_COMMAND_BYTES)) {
    const command = frame.head as unknown as LoadCommand | RunCommand | ReplyCommand; // From the gateway, which is trusted.
    switch (command.type) {
      case "load":
        components.set(command.key, load(command, frame));
        await report({ type: "loaded", key: command.key });
        break;
      case "run":
        // Not awaited: replies to its calls arrive through this same loop.
        void run(command).catch(() => host.exit(70));
        break;
      case "reply":
        waiting.get(command.call)?.(withBody(command.reply, frame.body));
        waiting.delete(command.call);
        break;
    }
  }
}

function load(command: LoadCommand, frame: Frame): LoadedComponent {
  let offset = command.glueBytes;
  const modules = new Map<string, WebAssembly.Module>();
  const memoryMaxima = new Map<WebAssembly.Module, number>();
  for (const { name, bytes } of command.modules) {
    const wasm = frame.body.slice(offset, offset + bytes);
    const module = new WebAssembly.Module(wasm);
    modules.set(name, module);
    memoryMaxima.set(module, readMemoryNeed(wasm).maximumBytes);
    offset += bytes;
  }
  const source = new TextDecoder().decode(frame.body.subarray(0, command.glueBytes));
  const { imports, instantiationFuel } = command;
  return { glue: compileGlue(source), modules, imports, memoryMaxima, instantiationFuel };
}

function withBody(reply: HostReply, body: Uint8Array): BrokerReply {
  return reply.kind === "ok" ? { ...reply, body } : reply;
}
