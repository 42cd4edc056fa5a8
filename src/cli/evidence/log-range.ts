/** Manifests of a range of the log, from a data folder or from what was exported. */

import { loadConfig } from "../config.ts";
import { UsageError } from "../usage-error.ts";
import type { CliWorld } from "../world.ts";
import { type AuditSource, manifestPath, openData, openExport } from "./audit-source.ts";

/** Which log, and which part of it. */
export interface LogRange {
  readonly folder: string;
  /** `from..until`, the second not included; either may be left out. */
  readonly range: string;
  readonly signer?: string | undefined;
  readonly logOrigin?: string | undefined;
}

/** @throws {UsageError} when the range is none, or the log has no manifest in it */
export async function* listRange(
  world: CliWorld,
  { folder, range, signer, logOrigin }: LogRange,
): AsyncGenerator<{ readonly path: string; readonly bytes: Uint8Array }> {
  const [, from = "", until = ""] = /^(\d{0,15})\.\.(\d{0,15})$/.exec(range) ?? [undefined, "x"];
  if (from === "x")
    throw new UsageError(`Cannot verify: --range is ${JSON.stringify(range)}, wanted such as 100..200`);
  const { source, close } = await openSource(world, folder, { signer, logOrigin });
  try {
    const last = until === "" ? Number.POSITIVE_INFINITY : Number(until);
    let sequence = Number(from);
    for (; sequence < last; sequence++) {
      const path = manifestPath(sequence);
      const bytes = await source.read(path);
      // Of a log without an end the last one is where there is no more; of a named range every one has to be there.
      if (bytes === undefined && last === Number.POSITIVE_INFINITY) break;
      yield { path: `${folder}/${path}`, bytes: bytes ?? new Uint8Array() };
    }
    if (sequence === Number(from)) throw new UsageError(`Cannot verify: the log has no manifest in ${range}`);
  } finally {
    await close();
  }
}

async function openSource(
  world: CliWorld,
  folder: string,
  flags: Pick<LogRange, "signer" | "logOrigin">,
): Promise<{ readonly source: AuditSource; close(): Promise<void> }> {
  const { runtime } = world;
  if ((await runtime.files.mode(`${folder}/writ.sqlite`)) === undefined)
    return { source: await openExport(runtime, folder), close: async () => undefined };
  const { config } = await loadConfig(world, { dataFolder: folder, ...flags });
  const log = await world.openLog(config, config.logOrigin, config.signer);
  return {
    source: openData(log, async () => undefined, runtime.clock.nowMs()),
    close: () => log.close(),
  };
}
