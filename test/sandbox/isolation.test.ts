/**
 * The guest replaced by arbitrary JavaScript: what an attacker has who broke out of WebAssembly and out of every check
 * in the executor. The cage around the process has to hold by itself: the same command line as an executor's, and in its pipe
 * the attacker's program in the place of ours. With the runtime's permissions; and, where the system adds a cage, without
 * them too, which is what an attacker has who broke out of V8.
 *
 * `WRIT_TEST_CAGES` names the system's cages to test, by comma; `npm test` knows of none, because they need more than
 * npm. What stays open and is known: on Node, facts about the machine (`node:os`: host name, user name, processors).
 */
import { spawn as spawnDecoy } from "node:child_process";
import { createSocket } from "node:dgram";
import { readdirSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runtime } from "#runtime";
import type { ExecutorRole, SystemCage } from "../../src/ports/index.ts";
import { type ExecutorStart, executorCommand } from "../../src/runtime/lockdown.ts";
import { createLink } from "../../src/sandbox/link.ts";
import { EACH_RUNTIME } from "../support/each-runtime.ts";
import { removeFolder } from "../support/folder.ts";
import { runCommand } from "../support/run-command.ts";

/** Each is the body of an async function; the cage holds when it throws, or returns `held`. `$PORT` listens; `$FOLDER`
 * and `$PID` are decoys. */
const PROBES: Readonly<Record<string, string>> = {
  "a file of the system": `const fs = await load("node:fs"); return fs.readFileSync("/etc/passwd", "utf8").slice(0, 20);`,
  "a file by the promise API": `const fs = await load("node:fs/promises"); return (await fs.readFile("/etc/hostname", "utf8"));`,
  "a folder": `const fs = await load("node:fs"); return fs.readdirSync("/").join();`,
  "the home folder": `const fs = await load("node:fs"); return fs.readdirSync("/root").join();`,
  "the project's data": `const fs = await load("node:fs"); return fs.readdirSync(".writ").join();`,
  "the project's package lock": `const fs = await load("node:fs"); return fs.readFileSync("package-lock.json", "utf8").slice(0, 20);`,
  "a link out of what is readable": `const fs = await load("node:fs"); fs.symlinkSync("/etc/passwd", "$FOLDER/link"); return fs.readFileSync("$FOLDER/link", "utf8").slice(0, 20);`,
  "a file behind dots": `const fs = await load("node:fs"); return fs.readFileSync("src/../../../../../etc/passwd", "utf8").slice(0, 20);`,
  "its own environment": `const env = proc ? Object.keys(proc.env) : []; return env.length === 0 ? "held" : env.join();`,
  "its own environment in /proc": `const fs = await load("node:fs"); return fs.readFileSync("/proc/self/environ", "utf8") || "empty";`,
  "its parent's environment in /proc": `const fs = await load("node:fs"); const pid = proc?.ppid ?? Deno.ppid; return fs.readFileSync("/proc/" + pid + "/environ", "utf8").slice(0, 40);`,
  "its parent's memory map": `const fs = await load("node:fs"); const pid = proc?.ppid ?? Deno.ppid; return fs.readFileSync("/proc/" + pid + "/maps", "utf8").slice(0, 40);`,
  "a new file": `const fs = await load("node:fs"); fs.writeFileSync("$FOLDER/new", "x"); return "written";`,
  "the mode of a file": `const fs = await load("node:fs"); fs.chmodSync("$FOLDER/there", 0o777); return "changed";`,
  "the times of a file": `const fs = await load("node:fs"); fs.utimesSync("$FOLDER/there", 1, 1); return "changed";`,
  "the removal of a file": `const fs = await load("node:fs"); fs.rmSync("$FOLDER/there"); return "removed";`,
  "a connection": `const net = await load("node:net"); return await new Promise((resolve, reject) => { const s = net.connect($PORT, "127.0.0.1"); s.on("connect", () => resolve("connected")); s.on("error", reject); });`,
  "a connection by Deno's own way": `return String(await Deno.connect({ hostname: "127.0.0.1", port: $PORT }));`,
  "a listener": `const net = await load("node:net"); return await new Promise((resolve, reject) => { const s = net.createServer(); s.on("error", reject); s.listen(0, "127.0.0.1", () => resolve("listening")); });`,
  "a datagram": `const dgram = await load("node:dgram"); return await new Promise((resolve, reject) => { const s = dgram.createSocket("udp4"); s.on("error", reject); s.send("x", 9, "127.0.0.1", (error) => error ? reject(error) : resolve("sent")); });`,
  "a fetch": `return String((await real.fetch("http://127.0.0.1:$PORT/")).status);`,
  "a web socket": `return await new Promise((resolve, reject) => { const s = new real.WebSocket("ws://127.0.0.1:$PORT/"); s.onerror = () => reject(new Error("refused")); s.onclose = () => reject(new Error("closed")); s.onopen = () => resolve("open"); });`,
  "a name": `const dns = await load("node:dns/promises"); return String((await dns.lookup("localhost")).address);`,
  "a Unix socket": `const net = await load("node:net"); return await new Promise((resolve, reject) => { const s = net.connect("/var/run/docker.sock"); s.on("connect", () => resolve("connected")); s.on("error", (e) => /ENOENT|ECONNREFUSED/.test(String(e)) ? resolve("reached the system: " + e) : reject(e)); });`,
  "a child process": `const cp = await load("node:child_process"); return String(cp.execFileSync("/bin/echo", ["out"]));`,
  "a child process by Deno's own way": `return String(new Deno.Command("/bin/echo").outputSync().code);`,
  "a thread": `const wt = await load("node:worker_threads"); return await new Promise((resolve, reject) => { const w = new wt.Worker("require('node:worker_threads').parentPort.postMessage(require('node:fs').readFileSync('/etc/passwd','utf8').slice(0,9))", { eval: true }); w.on("error", reject); w.on("message", resolve); w.on("exit", () => reject(new Error("exit"))); });`,
  "a web worker that reads": `return await new Promise((resolve, reject) => { const w = new real.Worker("data:text/javascript,postMessage(Deno.readTextFileSync('/etc/passwd').slice(0, 9))", { type: "module" }); w.onmessage = (m) => resolve(m.data); w.onerror = (e) => { e.preventDefault?.(); reject(new Error("refused")); }; });`,
  "another process": `if (!proc) { Deno.kill($PID, "SIGCONT"); return "signalled"; } proc.kill($PID, "SIGCONT"); return "signalled";`,
  "native code": `if (!proc) { Deno.dlopen("/lib/x86_64-linux-gnu/libc.so.6", {}); return "loaded"; } proc.dlopen({ exports: {} }, "/lib/x86_64-linux-gnu/libc.so.6"); return "loaded";`,
  "the inspector": `const inspector = await load("node:inspector"); inspector.open(0); return String(inspector.url());`,
  "a foreign function": `const ffi = await load("node:ffi"); const names = Object.keys(ffi).join(); if (names === "") throw new Error("nothing in it"); return names;`,
  "WASI with a folder": `const { WASI } = await load("node:wasi"); const w = new WASI({ version: "preview1", preopens: { "/": "/" } }); return "made";`,
  "a database file": `const { DatabaseSync } = await load("node:sqlite"); new DatabaseSync("$FOLDER/probe.db"); return "opened";`,
  "the priority of another process": `const os = await load("node:os"); os.setPriority($PID, 19); return "changed";`,
  "the inspector of another process": `proc._debugProcess($PID); return "signalled";`,
  "a signal by the back door": `const cp = await load("node:child_process"); const c = new cp.ChildProcess(); const code = c._handle.kill(0); return code === 0 ? "signalled" : "held";`,
  "the memory of another process": `const fs = await load("node:fs"); const fd = fs.openSync("/proc/$PID/mem", "r"); return "open " + fd;`,
  "the memory map of another process": `const fs = await load("node:fs"); return fs.readFileSync("/proc/$PID/maps", "utf8").slice(0, 40);`,
  "the gateway's keys": `const fs = await load("node:fs"); return fs.readFileSync("$FOLDER/keys/manifest.pem", "utf8");`,
  "the gateway's database": `const fs = await load("node:fs"); return fs.readFileSync("$FOLDER/writ.sqlite", "utf8");`,
  "a child process that is the runtime again": `const cp = await load("node:child_process"); const c = cp.spawn((proc ?? (await load("node:process"))).execPath, ["--version"]); return await new Promise((resolve, reject) => { c.on("error", reject); c.on("spawn", () => resolve("spawned")); });`,
  "a diagnostic report": `return proc.report.writeReport("$FOLDER/probe.json");`,
  "a heap snapshot": `const v8 = await load("node:v8"); return v8.writeHeapSnapshot("$FOLDER/probe.heapsnapshot");`,
  "a file as an environment": `proc.loadEnvFile("/etc/os-release"); return "read";`,
  "another folder": `proc.chdir("/"); return "changed";`,
  "a descriptor that the gateway was given": `const fs = await load("node:fs"); try { fs.writeSync(8, "x"); return "written"; } catch {} return String(fs.readSync(7, new Uint8Array(1))) + " read";`,
  "another process, by another name": `const p = await import("node:process"); (p.kill ?? Deno.kill)($PID, "SIGCONT"); return "signalled";`,
  "the inspector of another process, by another name": `const p = await import("node:process"); p._debugProcess($PID); return "signalled";`,
  "the priority of another process, by another name": `const os = await import("node:os"); os.setPriority($PID, 19); return "changed";`,
  "a thread by another name": `const wt = await import("node:worker_threads"); return await new Promise((resolve, reject) => { const w = new wt.Worker("require('node:worker_threads').parentPort.postMessage('runs')", { eval: true }); w.on("error", reject); w.on("message", resolve); w.on("exit", () => reject(new Error("exit"))); });`,
  "a thread of a text": `return await new Promise((resolve, reject) => { const w = new real.Worker(URL.createObjectURL(new Blob(["postMessage('runs')"])), { type: "module" }); w.onmessage = (m) => resolve(m.data); w.onerror = (e) => { e.preventDefault?.(); reject(new Error("refused")); }; });`,
  "what a page stores": `real.localStorage.setItem("writ-probe", "x"); return "stored";`,
  "what a page stores of answers": `const c = await real.caches.open("writ-probe"); await c.put("http://x/y", new Response("x")); return "stored";`,
  "a store of keys": `const kv = await Deno.openKv("$FOLDER/kv"); await kv.set(["a"], 1); return "stored";`,
  // Not where it is let begin: a Node that can not open its file never ends.
  "traces into a file": `const t = await load("node:trace_events"); if (!proc || "$ROLE" === "probe") throw new Error("not tried"); t.createTracing({ categories: ["node", "v8"] }).enable(); return "tracing";`,
  "a cache of code": `const m = await import("node:module"); const { status } = m.enableCompileCache("$FOLDER/cache"); if (status === 1 || status === 2) return "on"; throw new Error("refused");`,
  "a file as a blob": `const fs = await load("node:fs"); return await (await fs.openAsBlob("/etc/hostname")).text();`,
  "a file by its address": `return await (await real.fetch("file:///etc/hostname")).text();`,
  "a file as a module": `const at = ["file:///etc", "hostname"].join("/"); return String(await import("data:text/javascript,import x from " + JSON.stringify(at) + " with { type: 'json' }; export default x"));`,
  "a hard link": `const fs = await load("node:fs"); fs.linkSync("$FOLDER/there", "$FOLDER/linked"); return "linked";`,
  "a folder of its own": `const fs = await load("node:fs"); return fs.mkdtempSync("$FOLDER/own-");`,
  "shared memory": `const fs = await load("node:fs"); fs.writeFileSync("/dev/shm/writ-probe-$PID", "x"); return "written";`,
  // Whether it was sent is seen where it would arrive.
  "a question to a server of names": `const dns = await import("node:dns"); const r = new dns.promises.Resolver({ timeout: 300, tries: 1 }); r.setServers(["127.0.0.1:$UDP"]); return String(await r.resolve4("secret.example"));`,
  "a socket without a file": `const net = await load("node:net"); return await new Promise((resolve, reject) => { const s = net.connect({ path: "\\0writ-probe" }); s.on("connect", () => resolve("connected")); s.on("error", (e) => /ECONNREFUSED/.test(String(e)) ? resolve("reached the system: " + e) : reject(e)); });`,
  "a connection by HTTP/2": `const h = await load("node:http2"); return await new Promise((resolve, reject) => { const s = h.connect("http://127.0.0.1:$PORT"); s.on("connect", () => resolve("connected")); s.on("error", reject); });`,
  "a connection by the back door": `const { TCP, TCPConnectWrap } = proc.binding("tcp_wrap"); const code = new TCP(0).connect(new TCPConnectWrap(), "127.0.0.1", $PORT); if (code === 0) return "connecting"; throw new Error("refused");`,
  "a child process by the back door": `const stdio = [0, 1, 2].map((n) => ({ type: "pipe", readable: n === 0, writable: n > 0 })); const { error } = proc.binding("spawn_sync").spawn({ file: "/bin/echo", args: ["echo"], stdio }); if (!error) return "spawned"; throw new Error("refused");`,
  "code out of text": `return String(new Function("return 7")());`,
  "facts of the machine": `return [Deno.hostname(), Deno.osRelease(), JSON.stringify(Deno.networkInterfaces())].join();`,
  // The last: where it succeeds nothing is left that could say so, and where it fails neither. The system's cages let a program
  // start another in its place, for that is how they start ours, and whatever that is stays in them.
  "another program in its place": `if ("$ROLE" === "probe") throw new Error("not tried"); proc.execve("/bin/echo", ["echo", "in its place"], {}); return "?";`,
};

/** What is no way out where the system keeps the process: it all stays inside, or needs what is not there. */
const INSIDE: readonly string[] = [
  "a thread",
  "a thread by another name",
  "a web worker that reads",
  "native code",
  "a foreign function",
  "WASI with a folder",
  "the removal of a file",
  "a signal by the back door",
  "another folder",
  "its own environment in /proc",
  // Names of what was put there: the runtime, its libraries, what an executor begins with, and a file that says that nobody is nobody.
  "a folder",
  "a file of the system",
  // They say nothing of it when they fail: no file was made, and nothing listens.
  "a diagnostic report",
  "the inspector",
];

/** Without a file system of its own, Deno's process can read the machine's list of users, which Deno looks into. */
function isKnownOpen(name: string, system: SystemCage, probe: string, value: string): boolean {
  return (
    name === "deno" && system === "landlock" && probe === "a file behind dots" && value.startsWith("root:")
  );
}

/** Before the program, its length. */
const LENGTH_BYTES = 4;

const CAGES = (process.env["WRIT_TEST_CAGES"] ?? "none").split(",") as readonly SystemCage[];
/** Those that hold without the runtime. */
const WHOLE: readonly SystemCage[] = ["bubblewrap", "landlock"];
const KINDS = EACH_RUNTIME.flatMap(([name]) => CAGES.map((system) => [name, system] as const));

/** A program that tries every probe and prints what it got as JSON. */
function hostileProgram(): string {
  const bodies = Object.entries(PROBES).map(
    ([name, body]) => `[${JSON.stringify(name)}, async () => { ${fill(body)} }]`,
  );
  return `
    const real = globalThis;
    const Deno = real.Deno;
    const proc = Deno ? undefined : real.process;
    const load = (name) => proc ? proc.getBuiltinModule(name) ?? Promise.reject(new Error("no such module")) : import(name);
    // Some refusals come as events that nobody hears: they must not end the process before the next probe.
    proc?.on("uncaughtException", () => {});
    for (const event of ["error", "unhandledrejection"]) real.addEventListener?.(event, (e) => e.preventDefault());
    const late = () => new Promise((_, reject) => real.setTimeout(() => reject(new Error("late")), 1000));
    const got = {};
    for (const [name, probe] of [${bodies.join(",\n")}]) {
      try { const value = await Promise.race([probe(), late()]); got[name] = value === "held" ? null : String(value); }
      catch (error) { got[name] = null; }
    }
    console.log(JSON.stringify(got));
    if (proc) proc.exit(0); else Deno.exit(0);`;
}

/** An executor's own command line, and in its pipe the program of an executor in which ours is replaced by another. */
function hostileCommand(
  name: "node" | "deno",
  system: SystemCage,
  role: ExecutorRole,
  body = hostileProgram(),
): ExecutorStart {
  const start = executorCommand(role, { runtime: name, system }, SELF);
  const program = JSON.parse(new TextDecoder().decode(start.input.subarray(LENGTH_BYTES)));
  if (program.modules["executor.ts"] === undefined)
    throw new TypeError("Cannot find where to put the attacker");
  // The executor takes powers away before anything else runs; the attacker comes after that.
  program.modules["executor.ts"] =
    `import "./runtime/${name}-executor.ts";\n${body.replaceAll("$ROLE", role)}`;
  const text = new TextEncoder().encode(JSON.stringify(program));
  const input = new Uint8Array(LENGTH_BYTES + text.length);
  new DataView(input.buffer).setUint32(0, text.length);
  input.set(text, LENGTH_BYTES);
  return { ...start, input };
}

const SELF = {
  name: runtime.name,
  program: process.execPath,
  arch: process.arch,
  knowsFlag: () => true,
};

/** Runs it as a gateway would that was started with two more files open. */
async function runHostile({ program, args, input }: ExecutorStart) {
  const pipe = join(inputs, "pipe");
  await runtime.files.write(pipe, input);
  const script = 'exec 7<"$0/there" 8>>"$0/there" <"$1"; shift; exec /usr/bin/env -i "$@"';
  return runCommand({ program: "/bin/sh", args: ["-c", script, folder, pipe, program, ...args] });
}

async function attack(start: ExecutorStart): Promise<Record<string, string | null>> {
  const { code, output, diagnostics } = await runHostile(start);
  if (code !== 0) throw new Error(`the attacker's program ended with ${code}: ${output} ${diagnostics}`);
  return JSON.parse(output);
}

let accepted = 0;
const server = createServer((socket) => {
  accepted += 1;
  socket.destroy();
});
let datagrams = 0;
const names = createSocket("udp4", () => {
  datagrams += 1;
});
let port = 0;
/** Files and a process that a probe may harm, should the cage be open: never anything of the project's. */
let folder = "";
/** What the attackers are given. */
let inputs = "";
const decoy = spawnDecoy("sleep", ["60"]);
const fill = (body: string) =>
  body
    .replaceAll("$UDP", String(names.address().port))
    .replaceAll("$PORT", String(port))
    .replaceAll("$FOLDER", folder)
    .replaceAll("$PID", String(decoy.pid));
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "writ-isolation-"));
  inputs = await mkdtemp(join(tmpdir(), "writ-attackers-"));
  for (const name of ["there", "keys/manifest.pem", "writ.sqlite"])
    await runtime.files.write(join(folder, name), "x");
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  await new Promise<void>((resolve) => names.bind(0, "127.0.0.1", resolve));
  const address = server.address();
  if (typeof address === "object" && address !== null) port = address.port;
});
afterAll(async () => {
  server.close();
  names.close();
  decoy.kill("SIGKILL");
  await removeFolder(folder);
  await removeFolder(inputs);
});

/** As it is seen from outside. */
function expectNothingHappened(): void {
  expect({ accepted, datagrams, files: readdirSync(folder).sort() }).toEqual({
    accepted: 0,
    datagrams: 0,
    files: ["keys", "there", "writ.sqlite"],
  });
}

/** Has the engine write what it does with a function into files of its choice. */
const FLAGS = `
  const v8 = await import("node:v8");
  const wasTold = [];
  for (const flag of ["--trace-turbo", "--trace-turbo-path=$FOLDER", "--redirect-code-traces", "--redirect-code-traces-to=$FOLDER/code", "--no-freeze-flags-after-init", "--trace-turbo"])
    try { v8.setFlagsFromString(flag); wasTold.push(flag); } catch {}
  const f = (list) => { let sum = 0; for (let i = 0; i < 1e5; i += 1) sum += list[i & 3]; return sum; };
  for (let i = 0; i < 50; i += 1) f([1, 2, 3, 4]);
  await new Promise((resolve) => setTimeout(resolve, 200));
  console.log("went on");
  globalThis.Deno ? Deno.exit(0) : process.exit(0);`;

describe.each(KINDS)(
  "an executor on %s in the cage %s whose guest is arbitrary JavaScript",
  (name, system) => {
    it("reaches nothing outside of itself", async () => {
      const got = await attack(hostileCommand(name, system, "run"));
      const reached = Object.fromEntries(Object.entries(got).filter(([, value]) => value !== null));
      expect(Object.keys(got)).toHaveLength(Object.keys(PROBES).length);
      expect(reached).toEqual({});
      expectNothingHappened();
    });

    it.runIf(WHOLE.includes(system))("reaches nothing when the runtime refuses it nothing", async () => {
      const got = await attack(hostileCommand(name, system, "probe"));
      const reached = Object.entries(got).filter(
        ([probe, value]) =>
          value !== null && !INSIDE.includes(probe) && !isKnownOpen(name, system, probe, value),
      );
      expect(Object.fromEntries(reached)).toEqual({});
      expectNothingHappened();
    });

    it("can not give its engine other flags: the attempt ends it, or does nothing", async () => {
      const { output } = await runHostile(hostileCommand(name, system, "run", fill(FLAGS)));
      // Where the attempt ends it, it says nothing.
      expect(["went on\n", ""]).toContain(output);
      expectNothingHappened();
    });

    it("was started without an environment, has a small process, and says so", async () => {
      const child = runtime.spawnExecutor("run", { runtime: name, system });
      const link = createLink(child, runtime.clock);
      const { verified } = await link.greeting;
      const environment = await runtime.files.read(`/proc/${child.view.pid()}/environ`);
      const nowBytes = child.view.memory()?.residentBytes ?? 0;
      link.kill();
      await link.exited;
      expect(verified).toEqual(
        expect.arrayContaining(["no-environment", "no-network", "no-processes", "no-read", "no-write"]),
      );
      expect(environment?.length ?? 0).toBe(0);
      expect(nowBytes).toBeGreaterThan(1 << 20);
      expect(nowBytes, name).toBeLessThan(600 << 20);
    });
  },
);
