/** Where witnesses and runtime meet: the operator's file, the way out to them, and what is kept of their answers. */
import { createOutgoing } from "../broker/index.ts";
import { parseWitnessFile } from "../core/manifest/index.ts";
import type { EvidenceParts } from "../evidence/index.ts";
import { signatureVerifier } from "../identity/index.ts";
import type { Runtime } from "../ports/index.ts";

/** Where the newest cosigned checkpoint is kept, in a data folder. */
export const COSIGNED = "cosigned-checkpoint";

/**
 * Reads the operator's demands.
 *
 * @param path undefined = nobody is asked
 * @throws {Error} when there is no such file, or it is not understood whole
 */
export async function readWitnesses(
  runtime: Runtime,
  path: string | undefined,
  dataFolder: string,
): Promise<Pick<EvidenceParts, "witnesses">> {
  if (path === undefined) return {};
  const { files, clock, resolver } = runtime;
  const bytes = await files.read(path);
  if (bytes === undefined)
    throw new Error(`Cannot read witnesses ${JSON.stringify(path)}: there is no such file`);
  const read = parseWitnessFile(bytes);
  if (!read.ok) throw new Error(`Cannot use witnesses ${JSON.stringify(path)}: ${read.detail}`);
  const kept = await files.read(`${dataFolder}/${COSIGNED}`);
  return {
    witnesses: {
      ...read.file,
      outgoing: createOutgoing({ clock, resolver }),
      verify: signatureVerifier(runtime.verification),
      keep: (note) => files.write(`${dataFolder}/${COSIGNED}`, note),
      kept: kept && new TextDecoder().decode(kept),
    },
  };
}
