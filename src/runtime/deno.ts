/** The Deno half of `#runtime`. */
import { joinBytes } from "../core/bytes.ts";
import type { Runtime } from "../ports/index.ts";
import { runCommand } from "./command.ts";
import {
  CLOSE_GRACE_MS,
  openAppend,
  openSqlite,
  readAll,
  readTail,
  systemClock,
  systemEntropy,
  systemFiles,
  systemResolver,
} from "./common.ts";
import { readFolder } from "./folder.ts";
import { killGroup } from "./kill-group.ts";
import { systemSockets } from "./local-sockets.ts";
import { executorCommand, type Self } from "./lockdown.ts";
import { viewProcess } from "./process-view.ts";
import { createSigning } from "./signing.ts";
import { systemVerification } from "./verification.ts";

const SELF: Self = {
  name: "deno",
  program: Deno.execPath(),
  arch: Deno.build.arch === "aarch64" ? "arm64" : "x64",
  knowsFlag: () => true,
};

/** What this process can do, on Deno. */
export const runtime: Runtime = {
  name: "deno",
  version: Deno.version.deno,
  clock: systemClock,
  entropy: systemEntropy,
  signing: createSigning("slow"),
  verification: systemVerification,
  files: systemFiles,
  resolver: systemResolver,
  tlsHoldsBack: false,
  readFolder,
  runCommand,
  sockets: systemSockets,
  args: Deno.args,
  env: (name) => Deno.env.get(name),
  print: (line) => console.log(line),
  printError: (line) => console.error(line),
  terminal: {
    isTty: Deno.stdout.isTerminal(),
    columns: Deno.stdout.isTerminal() ? Deno.consoleSize().columns : undefined,
  },
  readStdin: () => readAll(Deno.stdin.readable),
  setExitCode(code) {
    Deno.exitCode = code;
  },
  onStopSignal(action) {
    const once = () => {
      Deno.removeSignalListener("SIGINT", once);
      Deno.removeSignalListener("SIGTERM", once);
      action();
    };
    Deno.addSignalListener("SIGINT", once);
    Deno.addSignalListener("SIGTERM", once);
  },
  onReloadSignal: (action) => Deno.addSignalListener("SIGHUP", action),
  openSqlite,
  // Loaded by those who have such a database.
  openPostgres: async (url) => (await import("./postgres.ts")).openPostgres(url),
  openAppend,
  spawnExecutor(role, cage = {}) {
    const { program, args, input } = executorCommand(role, cage, SELF);
    const child = new Deno.Command(program, {
      args: [...args],
      clearEnv: true,
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
      // A process group of its own, to be killed whole: bubblewrap that dies while it starts leaves a child behind.
      detached: true,
    }).spawn();
    const diagnostics = readTail(child.stderr, 8192);
    const writer = child.stdin.getWriter();
    let ended = false;
    const exited = child.status.then(async ({ code }) => {
      ended = true;
      // Nobody closes it otherwise: a descriptor for each executor that ever was.
      writer.abort().catch(() => undefined);
      return { code, diagnostics: await diagnostics };
    });
    // Writing to a child that died is an ordinary end, reported by `write` and `exited`, never an uncaught error.
    writer.closed.catch(() => undefined);
    writer.write(input).catch(() => undefined);
    return {
      pid: child.pid,
      output: child.stdout,
      // A call of the system costs more here than to join what it writes.
      write: (...pieces) => writer.write(pieces.length === 1 && pieces[0] ? pieces[0] : joinBytes(pieces)),
      kill() {
        // Once it was waited for, its number may be another's.
        if (!ended) killGroup(child.pid, Deno.kill);
      },
      exited,
      view: viewProcess(child.pid, cage.system ?? "none"),
    };
  },
  async serve(handler, options) {
    const server = Deno.serve(
      { hostname: options.hostname, port: options.port, onListen: () => undefined },
      handler,
    );
    return {
      port: server.addr.port,
      async close(graceMs = CLOSE_GRACE_MS) {
        const late = Promise.withResolvers<void>();
        // A request that never becomes whole must not keep the gateway from stopping. Nothing cuts it off here once the
        // shutdown has begun: it is left to the end of the process, which it does not hold up either.
        const cancel = systemClock.after(graceMs, () => {
          server.unref();
          late.resolve();
        });
        await Promise.race([server.shutdown(), late.promise]);
        cancel();
      },
    };
  },
};
