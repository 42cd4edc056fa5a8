/**
 * Sets the kernel's limit on what a process may have of private, writable memory (`RLIMIT_DATA`; Linux counts anonymous
 * mappings since 4.7). Only what the process asks for after that is refused: what it has, it keeps. Neither runtime can
 * do so for another process, so `prlimit` of util-linux does.
 *
 * A shell that stays starts it, in a millisecond. To make a process of a gateway itself takes the longer the more memory
 * that has, tens of milliseconds in which it does nothing else, and some runs wait for their limit.
 */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import type { Readable, Writable } from "node:stream";
import { systemClock } from "./common.ts";

/** The operator's PATH decides nothing about a limit. */
const PROGRAMS = ["/usr/bin/prlimit", "/bin/prlimit", "/run/current-system/sw/bin/prlimit"];
const SHELL = "/bin/sh";
/**
 * A process and its limit on each line, in decimal; a status for each. It is the soft one: to raise the other again takes a
 * privilege, and the filter lets no executor raise either. It ends with its input, however the gateway ends.
 */
const SCRIPT = `while read -r pid bytes; do "$0" --pid "$pid" --data="$bytes:" >/dev/null; echo $?; done`;
const LONGEST_MS = 10_000;

/** Sets the limit of a process. @returns false where the kernel did not take it, or the process is gone */
export type MemoryLimiter = (pid: number, bytes: number) => Promise<boolean>;

let limiter: MemoryLimiter | null | undefined;

/** @returns one for all of this process; undefined where there is no such limit to be had */
export function memoryLimiter(): MemoryLimiter | undefined {
  if (limiter === undefined) {
    const program = existsSync(SHELL) ? PROGRAMS.find(existsSync) : undefined;
    limiter = program === undefined ? null : createLimiter(program);
  }
  return limiter ?? undefined;
}

/** @param program `prlimit`, or what answers as it does */
export function createLimiter(program: string): MemoryLimiter {
  let shell: Shell | undefined;
  return (pid, bytes) => {
    if (shell === undefined || shell.ended) shell = new Shell(program);
    return shell.ask(`${pid} ${Math.ceil(bytes)}\n`);
  };
}

/** A shell that sets limits one after another, until it is in doubt. */
class Shell {
  ended = false;
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  /** Those who have no status yet, in the order in which they asked. */
  readonly #waiting: ((isSet: boolean) => void)[] = [];
  #line = "";

  constructor(program: string) {
    // A session of its own: a Ctrl+C is for the gateway, which needs it until the last executor is gone.
    const child = spawn(SHELL, ["-c", SCRIPT, program], {
      env: {},
      stdio: ["pipe", "pipe", "ignore"],
      detached: true,
    });
    this.#child = child;
    child.once("error", () => this.#end());
    child.once("exit", () => this.#end());
    child.stdin.on("error", () => this.#end());
    child.stdout.setEncoding("latin1").on("data", (text: string) => this.#hear(text));
    // It keeps no process alive that has nothing else to do.
    child.unref();
    for (const end of [child.stdin, child.stdout]) (end as typeof end & { unref?(): void }).unref?.();
  }

  ask(line: string): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const cancel = systemClock.after(LONGEST_MS, () => this.#end());
    this.#waiting.push((isSet) => {
      cancel();
      resolve(isSet);
    });
    this.#child.stdin.write(line);
    return promise;
  }

  #hear(text: string): void {
    const lines = (this.#line + text).split("\n");
    this.#line = lines.pop() ?? "";
    for (const status of lines) this.#waiting.shift()?.(status === "0");
  }

  /** Nobody knows which limits were set: none was, and another shell is asked from now on. */
  #end(): void {
    this.ended = true;
    this.#child.kill("SIGKILL");
    for (const tell of this.#waiting.splice(0)) tell(false);
  }
}
