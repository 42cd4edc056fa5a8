/**
 * Custom sections: free-form, never needed to run a component, shown to whoever inspects it. A section that is
 * not as its convention says is listed without content; it is no reason to refuse a component.
 */
import { GatewayError } from "../errors.ts";
import { nameFault } from "./name-gate.ts";
import type { Reader } from "./reader.ts";
import type { Producer } from "./wit.ts";

/** A custom section of the outermost component. */
export interface CustomSection {
  readonly name: string;
  /** Length of the content, without the name. */
  readonly byteLength: number;
  /** What the `producers` section claims; empty for all others. */
  readonly producers: readonly Producer[];
}

const MAX_PRODUCERS = 100;

/**
 * Reads a custom section to its end.
 *
 * @throws GatewayError `component-refused` when its name is malformed
 */
export function readCustomSection(section: Reader): CustomSection {
  const text = section.text();
  const name = nameFault(text) === undefined ? text : "(unprintable)";
  const byteLength = section.end - section.at;
  const producers = name === "producers" ? readProducers(section.window(byteLength, "producers")) : [];
  section.at = section.end;
  return { name, byteLength, producers };
}

/** @see https://github.com/WebAssembly/tool-conventions/blob/main/ProducersSection.md */
function readProducers(section: Reader): Producer[] {
  const found: Producer[] = [];
  try {
    section.vector(() => {
      const field = section.name();
      section.vector(() => {
        const producer = Object.freeze({ field, name: section.name(), version: section.name() });
        if (found.length < MAX_PRODUCERS) found.push(producer);
      }, 2);
    }, 2);
  } catch (error) {
    if (error instanceof GatewayError) return [];
    throw error;
  }
  return found;
}
