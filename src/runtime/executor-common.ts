/** What both runtimes give an executor alike. */
import { spawn } from "node:child_process";
import { createCipheriv } from "node:crypto";
import { lookup } from "node:dns/promises";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { readFile, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { networkInterfaces } from "node:os";
import { dirname } from "node:path";
import process from "node:process";
import { setImmediate } from "node:timers";
import { fileURLToPath } from "node:url";
import type { ExecutorRole } from "../ports/index.ts";

/**
 * AES-256 in counter mode over zeros: a seed becomes the same endless stream on every runtime, so a run that is
 * given its seed again draws the same random numbers.
 */
export function randomStream(seed: Uint8Array): (length: number) => Uint8Array<ArrayBuffer> {
  const cipher = createCipheriv("aes-256-ctr", seed, new Uint8Array(16));
  return (length) => new Uint8Array(cipher.update(new Uint8Array(length)));
}

/** Lets the event loop go round once: what is there to be read is read before. */
export const nextRound = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

/** The program that the gateway asked for; `run` is the one with the fewest powers. */
export function roleOf(argument: string | undefined): ExecutorRole {
  return argument === "prepare" || argument === "probe" ? argument : "run";
}

/** Attempts that both runtimes must refuse; each entry throws or rejects when the cage holds. */
export const COMMON_ATTEMPTS: readonly (readonly [name: string, attempt: () => Promise<unknown>])[] = [
  ["no-read", () => readFile("/etc/hostname")],
  ["no-write", () => writeFile("/tmp/writ-probe", "")],
  ["no-network", () => connectTo("127.0.0.1", 9)],
];

/**
 * @returns the names of the attempts that were refused by the cage
 */
export async function refusedAttempts(
  attempts: readonly (readonly [string, () => Promise<unknown>])[],
  isRefusal: (error: unknown) => boolean,
): Promise<string[]> {
  const refused: string[] = [];
  for (const [name, attempt] of attempts) {
    try {
      await attempt();
    } catch (error) {
      // ECONNREFUSED is the network's answer, not the cage's: only the runtime's own refusal counts.
      if (isRefusal(error)) refused.push(name);
    }
  }
  return refused;
}

function connectTo(host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port });
    socket.once("connect", () => {
      socket.destroy();
      resolve();
    });
    socket.once("error", reject);
  });
}

/** Of these every system has some. */
const OUTER_PATHS = ["/bin", "/boot", "/home", "/opt", "/root", "/run", "/sys", "/tmp", "/usr/share", "/var"];
const OUTER_FILES = ["/etc/hostname", "/etc/os-release", "/bin/sh"];
/** What an executor is made of. Its folders may lie anywhere, so their parents may be there, with nothing else in them. */
const HERE = dirname(fileURLToPath(import.meta.url));
const PROJECT = dirname(dirname(HERE));
const OWN_PATHS = [
  process.execPath,
  `${HERE}/executor-boot.mjs`,
  `${PROJECT}/package.json`,
  `${PROJECT}/deno.json`,
];
const WRITE_FOLDERS = ["/", "/dev/shm", "/tmp", "/var/tmp", HERE];
/** What the system says of a network that is not there, or not allowed; a refused connection is a network's answer. */
const NO_NETWORK = ["ENETUNREACH", "EPERM", "EACCES", "EAFNOSUPPORT"];
/** Reserved for documentation by RFC 5737: nobody's, and elsewhere. */
const ELSEWHERE = "192.0.2.1";
const LONGEST_ATTEMPT_MS = 1000;

/**
 * What the operating system's cage refuses to a process whose runtime refuses it nothing.
 *
 * @returns names of the layers that held
 */
export async function probeSystem(): Promise<readonly string[]> {
  const attempts: readonly (readonly [name: string, holds: () => boolean | Promise<boolean>])[] = [
    [
      "os-no-files",
      () => OUTER_FILES.every(cannotRead) && OUTER_PATHS.every((path) => holdsOnly(path, OWN_PATHS)),
    ],
    ["os-no-writes", async () => (await Promise.all(WRITE_FOLDERS.map(cannotWriteIn))).every(Boolean)],
    ["os-no-network", async () => hasNoInterface() && NO_NETWORK.includes(await errorOfConnect())],
    ["os-no-names", () => lookup("localhost").then(...asHeld)],
    ["os-no-processes", cannotSpawn],
    ["os-no-other-processes", seesNoOther],
    ["os-no-environment", hasNoEnvironment],
  ];
  const held: string[] = [];
  for (const [name, holds] of attempts) {
    const late = new Promise<false>((resolve) => setTimeout(resolve, LONGEST_ATTEMPT_MS, false).unref());
    if (await Promise.race([holds(), late])) held.push(name);
  }
  return held;
}

function cannotRead(path: string): boolean {
  try {
    readFileSync(path);
    return false;
  } catch {
    return true;
  }
}

/** Whether a folder is not there or not to be read, or leads to what is allowed and to nothing else. */
function holdsOnly(path: string, allowed: readonly string[]): boolean {
  if (allowed.includes(path) || !existsSync(path) || cannotList(path)) return true;
  if (!allowed.some((own) => own.startsWith(`${path}/`))) return false;
  return readdirSync(path).every((name) => holdsOnly(`${path}/${name}`, allowed));
}

const asHeld = [() => false, () => true] as const;

async function cannotWriteIn(folder: string): Promise<boolean> {
  const path = `${folder}/writ-probe-${process.pid}`;
  try {
    await writeFile(path, "", { flag: "wx" });
    await rm(path);
    return false;
  } catch {
    return true;
  }
}

/** The loopback of a network of one's own leads nowhere. */
function hasNoInterface(): boolean {
  try {
    return Object.keys(networkInterfaces()).every((name) => name === "lo");
  } catch {
    // Even asking takes a socket.
    return true;
  }
}

function errorOfConnect(): Promise<string> {
  return connectTo(ELSEWHERE, 9).then(
    () => "",
    (error: unknown) => (error instanceof Error && "code" in error ? String(error.code) : ""),
  );
}

function cannotSpawn(): Promise<boolean> {
  return new Promise((resolve) => {
    try {
      const child = spawn(process.execPath, ["--version"], { stdio: "ignore" });
      child.once("error", () => resolve(true));
      child.once("spawn", () => {
        child.kill("SIGKILL");
        resolve(false);
      });
    } catch {
      resolve(true);
    }
  });
}

function cannotList(path: string): boolean {
  try {
    readdirSync(path);
    return false;
  } catch {
    return true;
  }
}

/**
 * The first process of its own has no parent, and where it can look at all it finds itself alone. Any other must not be
 * able to look; that it can do nothing to the others is the system call filter's, which the kernel confirms.
 */
function seesNoOther(): boolean {
  if (process.pid !== 1 || process.ppid !== 0)
    return cannotList("/proc") && [1, process.ppid].every((pid) => cannotRead(`/proc/${pid}/status`));
  try {
    return readdirSync("/proc").every((name) => !/^\d+$/.test(name) || name === "1");
  } catch {
    return true;
  }
}

/** What the process was started with, where that can be read: Deno puts variables of its own into what it shows. */
function hasNoEnvironment(): boolean {
  try {
    return readFileSync("/proc/self/environ", "utf8") === "";
  } catch {
    return Object.keys(process.env).length === 0;
  }
}
