/** What an executor is given through its pipe is what the sources say, whatever was kept of it. */
import { spawn } from "node:child_process";
import { mkdtemp, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runtime } from "#runtime";
import { executorProgram, findProgram } from "../../src/runtime/executor-program.ts";
import { executorCommand } from "../../src/runtime/lockdown.ts";
import { readFrames } from "../../src/sandbox/pipe/frames.ts";
import { readSources, resolveImport } from "../house/source-tree.ts";
import { removeFolder } from "../support/folder.ts";

interface Program {
  readonly files: Readonly<Record<string, string>>;
  readonly aliases: Readonly<Record<string, string>>;
  readonly modules: Readonly<Record<string, string>>;
}

const SELF = { name: runtime.name, program: process.execPath, arch: process.arch, knowsFlag: () => true };
const SOURCES = readSources("src");

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "writ-program-"));
});
afterAll(() => removeFolder(folder));

const find = (where = folder) => findProgram(runtime.name, process.execPath, where);
const keptAt = () => join(folder, `.writ-executor-${runtime.name}`);

describe("executorProgram()", () => {
  it("has of each module its source with types, and nothing else, blanked out", () => {
    const { modules }: Program = JSON.parse(find());
    const faults = Object.entries(modules).filter(([path, code]) => {
      const source = SOURCES.find((file) => file.path === `src/${path}`)?.text ?? "";
      // A blank may have to be a sign: what stands before and after it would otherwise be read as one.
      return (
        code.length !== source.length || [...code].some((c, at) => c !== source[at] && !/[\s;)]/.test(c))
      );
    });
    expect(faults.map(([path]) => path)).toEqual([]);
    expect(Object.keys(modules)).toContain("sandbox/executor/serve.ts");
  });

  it("has whatever one of its modules names", () => {
    const { modules, aliases }: Program = JSON.parse(find());
    expect(aliases).toEqual({ "#executor-runtime": `runtime/${runtime.name}-executor.ts` });
    const missing = Object.entries(modules).flatMap(([path, code]) =>
      [...code.matchAll(/\bfrom\s+"(\.[^"]+)"|^import\s+"(\.[^"]+)"|\bimport\(\s*"(\.[^"]+)"/gm)]
        .map(([, from, bare, dynamic]) => resolveImport(`src/${path}`, from ?? bare ?? dynamic ?? ""))
        .filter((target) => modules[target.slice("src/".length)] === undefined),
    );
    expect(missing).toEqual([]);
  });

  it.each([
    ["torn", (kept: string) => kept.slice(0, -1000)],
    ["empty", () => ""],
    ["changed in a module", (kept: string) => kept.replace("no-network", "a-network")],
    [
      "made by another runtime",
      (kept: string) => kept.replace(process.execPath, `${process.execPath}-of-before`),
    ],
    ["without its digest", (kept: string) => kept.slice(kept.indexOf("\n"))],
  ])("is made again where what was kept is %s", async (_how, change) => {
    const made = find();
    const kept = await readFile(keptAt(), "utf8");
    const changed = change(kept);
    expect(changed).not.toBe(kept);
    await writeFile(keptAt(), changed);
    expect(find()).toBe(made);
    expect(await readFile(keptAt(), "utf8")).toBe(kept);
  });

  it("is found again, and made again where a file has changed since", async () => {
    const made = find();
    const [, by = ""] = (await readFile(keptAt(), "utf8")).split("\n");
    const keep = async (text: string) =>
      writeFile(keptAt(), `${await sha256(`${by}\n${text}`)}\n${by}\n${text}`);
    const { files, ...rest }: Program = JSON.parse(made);
    // To be seen that nothing is made where nothing has changed.
    await keep(JSON.stringify({ ...rest, marked: true, files }));
    expect(JSON.parse(find())).toHaveProperty("marked");
    await keep(JSON.stringify({ ...rest, marked: true, files: { ...files, "executor.ts": "0".repeat(64) } }));
    expect(find()).toBe(made);
    await keep(JSON.stringify({ ...rest, marked: true, files: { ...files, "gone.ts": "0".repeat(64) } }));
    expect(find()).toBe(made);
  });

  it("is made where nothing can be kept", () => {
    expect(find("/proc/nowhere")).toBe(find());
  });

  it("is all that an executor needs: where it begins, no source is to be found", async () => {
    const { program, args, input } = executorCommand("run", {}, SELF);
    const boot = args.find((arg) => /^\/.*executor-boot\.mjs$/.test(arg)) ?? "";
    const alone = join(folder, "alone", "runtime", "executor-boot.mjs");
    await runtime.files.write(alone, await readFile(boot));
    const child = spawn(
      program,
      args.map((arg) => arg.replace(boot, alone)),
      { env: {} },
    );
    const ended = new Promise((resolve) => child.once("close", resolve));
    child.stdin.write(input);
    for await (const { head } of readFrames(child.stdout, 1 << 20)) {
      expect(head).toMatchObject({ type: "ready" });
      break;
    }
    child.kill("SIGKILL");
    await ended;
  });

  it("ends an executor whose program ends early", async () => {
    const { program, args } = executorCommand("run", {}, SELF);
    const child = spawn(program, [...args], { env: {}, stdio: ["pipe", "ignore", "pipe"] });
    let said = "";
    child.stderr.on("data", (chunk) => {
      said += chunk;
    });
    const ended = new Promise((resolve) => child.once("close", resolve));
    child.stdin.end(executorProgram(runtime.name, process.execPath).subarray(0, 100_000));
    expect(await ended).not.toBe(0);
    expect(said).toContain("its program ended early");
  });
});

async function sha256(text: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return Buffer.from(digest).toString("hex");
}
