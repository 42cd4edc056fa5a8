/** A component from a file. What is no component at all is told apart here, where the operator can be told what it is. */
import { type Intake, inspectComponent } from "../../registry/index.ts";
import { readInput } from "../input.ts";
import { UsageError } from "../usage-error.ts";
import type { CliWorld } from "../world.ts";

/** A component and what intake learned of it. */
export interface OpenedComponent {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly intake: Intake;
}

const MAGIC = [0x00, 0x61, 0x73, 0x6d];
/** Version and layer, as the binary formats say: a core module is layer 0. */
const CORE_MODULE = [0x01, 0x00, 0x00, 0x00];

/**
 * Reads and inspects a component.
 *
 * @param path `-` = standard input
 * @throws {UsageError} when it is no WebAssembly component
 * @throws {GatewayError} `component-refused` when it is a malformed one
 */
export async function openComponent(world: CliWorld, path: string): Promise<OpenedComponent> {
  const bytes = await readInput(world, path, "component");
  const name = JSON.stringify(path);
  if (bytes.length === 0) throw new UsageError(`Cannot read component ${name}: it is empty`);
  if (!startsWith(bytes, 0, MAGIC)) {
    const isText = /^\s*(\(|;;)/.test(new TextDecoder().decode(bytes.subarray(0, 256)));
    throw new UsageError(
      `Cannot read component ${name}: it is ${isText ? "WebAssembly's text format" : "no WebAssembly"}, wanted a component's binary`,
    );
  }
  if (startsWith(bytes, MAGIC.length, CORE_MODULE)) {
    throw new UsageError(`Cannot read component ${name}: it is a core module, wanted a component`, [
      "make one of it with: wasm-tools component embed, then wasm-tools component new",
    ]);
  }
  return { bytes, intake: await inspectComponent(bytes, await world.offer()) };
}

function startsWith(bytes: Uint8Array, offset: number, wanted: readonly number[]): boolean {
  return wanted.every((byte, index) => bytes[offset + index] === byte);
}
