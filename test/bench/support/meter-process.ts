/**
 * A process of its own that meters one module once or several times, and says what that took: `meter-process.ts <wasm>
 * <copies> <times>`. With copies, the module's functions are there as many times, so that it is a large one of the same kind.
 */
import { readFileSync } from "node:fs";
import { argv, cpuUsage, resourceUsage, stdout } from "node:process";
import { readModule, SECTION } from "../../../src/core/metering/binary/module.ts";
import { Reader } from "../../../src/core/metering/binary/reader.ts";
import { Writer } from "../../../src/core/metering/binary/writer.ts";
import { instrument } from "../../../src/core/metering/index.ts";

const [, , path = "", copies = "1", times = "1"] = argv;
const wasm = repeat(new Uint8Array(readFileSync(path)), Number(copies));
const before = resourceUsage().maxRSS * 1024;
const cpuMs: number[] = [];
let metered = 0;
for (let i = 0; i < Number(times); i += 1) {
  const start = cpuUsage();
  metered = instrument(wasm, { maxMemoryBytes: 2 ** 30 }).wasm.length;
  const { user, system } = cpuUsage(start);
  cpuMs.push((user + system) / 1000);
}
const addedBytes = resourceUsage().maxRSS * 1024 - before;
stdout.write(`${JSON.stringify({ bytes: wasm.length, metered, cpuMs, addedBytes })}\n`);

/** The module with its function and code sections repeated. */
function repeat(bytes: Uint8Array<ArrayBuffer>, count: number): Uint8Array<ArrayBuffer> {
  if (count === 1) return bytes;
  const writer = new Writer(bytes.length * count);
  writer.copy(bytes, 0, 8);
  for (const { id, start, end, name } of readModule(bytes).sections) {
    const content = new Writer((end - start) * count + 16);
    if (id === SECTION.custom) content.name(name);
    if (id === SECTION.function || id === SECTION.code) {
      const reader = new Reader(bytes, start, end);
      content.u32(reader.u32() * count);
      for (let i = 0; i < count; i += 1) content.copy(bytes, reader.pos, end);
    } else content.copy(bytes, start, end);
    writer.section(id, content);
  }
  return writer.toBytes();
}
