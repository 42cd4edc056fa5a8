/** What both runtimes give an executor alike. */
import { createCipheriv } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { connect } from "node:net";

/**
 * AES-256 in counter mode over zeros: a seed becomes the same endless stream on every runtime, so a run that is
 * given its seed again draws the same random numbers.
 */
export function randomStream(seed: Uint8Array): (length: number) => Uint8Array<ArrayBuffer> {
  const cipher = createCipheriv("aes-256-ctr", seed, new Uint8Array(16));
  return (length) => new Uint8Array(cipher.update(new Uint8Array(length)));
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
