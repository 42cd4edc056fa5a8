/** Builds small components for these tests: from WAT, from WIT, or byte by byte. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { componentEmbed, componentNew, parse } from "@bytecodealliance/jco-transpile/wasm-tools";
import { type ComponentDescription, decode } from "../../../src/core/component/index.ts";
import { GatewayError } from "../../../src/core/errors.ts";

/** Assembles WAT. */
export function fromWat(wat: string): Promise<Uint8Array> {
  return parse(wat);
}

/** Builds a component of a world whose functions all trap. */
export async function fromWit(witSource: string, world: string): Promise<Uint8Array> {
  return componentNew(await componentEmbed({ witSource, world, dummy: true }));
}

/** The WASI 0.2 packages, each as a `package … { … }` block to put behind a package of one's own. */
export function wasiPackages(): string {
  const modules = fileURLToPath(new URL("../../../node_modules", import.meta.url));
  const root = join(modules, "@bytecodealliance/jco/lib/wit/builtin/0.2.12");
  return readdirSync(root)
    .filter((name) => name.startsWith("wasi-"))
    .map((name) => wasiPackage(join(root, name)))
    .join("\n");
}

function wasiPackage(folder: string): string {
  const files = readdirSync(folder).filter((name) => name.endsWith(".wit"));
  const texts = files.map((name) => readFileSync(join(folder, name), "utf8"));
  const header = texts.map((text) => /^package (\S+);/m.exec(text)?.[1]).find((it) => it !== undefined);
  return `package ${header} {\n${texts.join("\n").replace(/^package \S+;/gm, "")}\n}`;
}

/** Decodes, and gives the refusal's message instead when there is one; any other error is thrown on. */
export function decodeOrRefusal(bytes: Uint8Array): ComponentDescription | string {
  try {
    return decode(bytes);
  } catch (error) {
    if (error instanceof GatewayError && error.code === "component-refused") return error.message;
    throw error;
  }
}

/** The refusal's message; fails when the bytes decode. */
export function refusal(bytes: Uint8Array): string {
  const result = decodeOrRefusal(bytes);
  if (typeof result !== "string") throw new Error("the component was not refused");
  return result;
}

/** An unsigned LEB128 number. */
export function leb(value: number): number[] {
  const low = value % 128;
  return value < 128 ? [low] : [low + 128, ...leb(Math.floor(value / 128))];
}

/** A type index where a value type is wanted: signed LEB128, so bit 0x40 of the last byte stays clear. */
export function index(value: number): number[] {
  return value < 64 ? [value] : [(value % 128) + 128, ...index(Math.floor(value / 128))];
}

/** A name: its length, then its bytes. */
export function name(text: string): number[] {
  const bytes = [...new TextEncoder().encode(text)];
  return [...leb(bytes.length), ...bytes];
}

/** A vector: its length, then its entries. */
export function vector(...entries: readonly (readonly number[])[]): number[] {
  return [...leb(entries.length), ...entries.flat()];
}

/** A section with its id and length. */
export function section(id: number, content: readonly number[]): number[] {
  return [id, ...leb(content.length), ...content];
}

const preamble = [0x00, 0x61, 0x73, 0x6d, 0x0d, 0x00, 0x01, 0x00];

/** A component of some sections. */
export function component(...sections: readonly (readonly number[])[]): Uint8Array {
  return new Uint8Array([...preamble, ...sections.flat()]);
}

/** A core module of some sections. */
export function coreModule(...sections: readonly (readonly number[])[]): number[] {
  return [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00, ...sections.flat()];
}
