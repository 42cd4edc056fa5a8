/**
 * Builds the guests of other languages into a folder: `node test/guests/build.ts [folder]`, by default
 * `.writ/test-cache/guests`, where `foreign.test.ts` looks for them. Run by hand or by an extended stage of CI: a
 * toolchain that is not installed is reported and left out, and is no failure.
 */
import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, readdir, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { componentEmbed, componentNew } from "@bytecodealliance/jco-transpile/wasm-tools";
import { sha256Hex } from "../../src/core/digest.ts";
import { composeWit, readWitLibrary, readWitPackage } from "../../src/toolchain/wit-text.ts";
import { removeFolder } from "../support/folder.ts";

const run = promisify(execFile);
const SOURCES = fileURLToPath(new URL("sources/", import.meta.url));
const PROJECT = fileURLToPath(new URL("../../", import.meta.url));
/** The generator of Go's bindings, and where its sources are once it is installed. */
const WIT_BINDGEN = "0.63.0";
const GO_PACKAGE = `"\${CARGO_HOME:-$HOME/.cargo}"/registry/src/*/wit-bindgen-go-${WIT_BINDGEN}/src/pkg`;
const WASI = fileURLToPath(new URL("../../wit/deps/", import.meta.url));
const ADAPTERS = new URL("../../node_modules/@bytecodealliance/jco/lib/", import.meta.url);

/** Where guests are kept unless `WRIT_GUESTS` says otherwise. */
export const GUESTS = fileURLToPath(new URL("../../.writ/test-cache/guests/", import.meta.url));

interface Recipe {
  /** A command that succeeds when the toolchain is there. */
  readonly probe: readonly [command: string, ...args: string[]];
  /** How to get it, for whoever reads the report. */
  readonly install: string;
  /** @returns the component; `work` is a copy of the sources */
  readonly build: (work: string) => Promise<Uint8Array>;
}

const python = process.env["WRIT_PYTHON"] ?? "python3";
const zig = { probe: [python, "-m", "ziglang", "version"], install: "pip install ziglang" } as const;

/** The guests, by name. */
const recipes: Readonly<Record<string, Recipe>> = {
  rust: cargo("rust", "rust_probe"),
  "rust-command": cargo("rust-command", "rust-command"),
  "rust-http": cargo("rust-http", "rust_http"),
  "rust-net": cargo("rust-net", "rust_net"),
  "rust-async": cargo("rust-async", "rust_async"),
  go: {
    probe: ["go", "version"],
    install: "Go 1.24 or newer",
    async build(work) {
      await go(join(work, "go"));
      return adapt(join(work, "go/core.wasm"), "command");
    },
  },
  "go-reactor": {
    probe: ["go", "version"],
    install: "Go 1.24 or newer",
    async build(work) {
      const folder = join(work, "go-reactor");
      // As below: memory is taken by a function of Go's runtime.
      await go(folder, "-buildmode=c-shared", "-ldflags=-checklinkname=0 -s -w");
      return adapt(join(folder, "core.wasm"), "reactor", {
        wit: join(folder, "reactor.wit"),
        world: "reactor",
      });
    },
  },
  "go-http": {
    // The generator is a Rust program whose crate holds the Go package too.
    probe: ["sh", "-c", `wit-bindgen --version && go version && ls -d ${GO_PACKAGE}`],
    install: `Go 1.25 or newer, and cargo install wit-bindgen-cli@${WIT_BINDGEN}`,
    async build(work) {
      const folder = join(work, "go-http-built");
      const wit = join(folder, "wit");
      for (const name of ["io", "clocks", "random", "cli", "filesystem", "sockets", "http"])
        await cp(join(WASI, `wasi-${name}`), join(wit, "deps", name), { recursive: true });
      await cp(join(work, "go-http/web.wit"), join(wit, "web.wit"));
      await run("wit-bindgen", ["go", "--quiet", "--world", "web", "--out-dir", folder, wit]);
      await cp(join(work, "go-http"), folder, { recursive: true });
      // It names a Go that is newer than it needs.
      await run("sh", ["-c", `cp -r ${GO_PACKAGE} pkg && sed -i 's/^go 1\\..*/go 1.25/' pkg/go.mod`], {
        cwd: folder,
      });
      // The package allocates by a function of Go's runtime while that is not up yet.
      await go(folder, "-buildmode=c-shared", "-ldflags=-checklinkname=0 -s -w");
      const { id, body } = await readWitPackage(join(work, "go-http"));
      const composed = join(folder, "composed.wit");
      await writeFile(composed, composeWit({ id, body }, await readWitLibrary(PROJECT)));
      return adapt(join(folder, "core.wasm"), "reactor", { wit: composed, world: "web" });
    },
  },
  python: {
    probe: ["componentize-py", "--version"],
    install: "pip install componentize-py",
    async build(work) {
      const args = ["-d", "../probe.wit", "-w", "probe", "componentize", "app", "-o", "out.wasm"];
      await run("componentize-py", args, { cwd: join(work, "python") });
      return readFile(join(work, "python/out.wasm"));
    },
  },
  "python-web": {
    probe: ["componentize-py", "--version"],
    install: "pip install componentize-py",
    async build(work) {
      const folder = join(work, "python-web");
      await cp(WASI, join(folder, "wit/deps"), { recursive: true });
      const args = ["-q", "-d", "wit", "-w", "web", "componentize", "app", "-o", "out.wasm"];
      await run("componentize-py", args, { cwd: folder });
      return readFile(join(folder, "out.wasm"));
    },
  },
  "python-clients": {
    // What the tool stands on, as wheels of Python alone, is brought by whoever builds: see `install`.
    probe: ["sh", "-c", 'componentize-py --version && ls -d "$WRIT_PYTHON_CLIENTS"/*-*.dist-info'],
    install: "pip install --target F requests==2.34.2 httpx==0.28.1, and WRIT_PYTHON_CLIENTS=F",
    async build(work) {
      const folder = join(work, "python-clients");
      const clients = process.env["WRIT_PYTHON_CLIENTS"] ?? "";
      // A wheel's machine code is this machine's; each has the same in Python beside it.
      const filter = (path: string) => !path.endsWith(".so");
      await cp(clients, join(folder, "clients"), { recursive: true, filter });
      const paths = ["-p", ".", "-p", "clients"];
      const args = ["-q", "-d", "wit", "-w", "clients", "componentize", ...paths, "app", "-o", "out.wasm"];
      await run("componentize-py", args, { cwd: folder });
      return readFile(join(folder, "out.wasm"));
    },
  },
  c: {
    ...zig,
    async build(work) {
      await cc(work, "-DEXITCODE=0", "-o", "c.wasm", "c/command.c");
      return adapt(join(work, "c.wasm"), "command");
    },
  },
  "c-failing": {
    ...zig,
    async build(work) {
      await cc(work, "-DEXITCODE=3", "-o", "c.wasm", "c/command.c");
      return adapt(join(work, "c.wasm"), "command");
    },
  },
  "c-reactor": {
    ...zig,
    async build(work) {
      const options = ["-mexec-model=reactor", "-D_GNU_SOURCE", "-DPRINT_AT_START=", "-o", "lib.wasm"];
      await cc(work, ...options, "c/lib.c");
      return adapt(join(work, "lib.wasm"), "reactor", { wit: join(work, "c/lib.wit"), world: "lib" });
    },
  },
};

function cargo(folder: string, crate: string): Recipe {
  const args = ["build", "--quiet", "--release", "--target", "wasm32-wasip2"];
  return {
    // rustc names the folder whether or not anything is in it.
    probe: [
      "sh",
      "-c",
      'rustc --version && ls "$(rustc --print target-libdir --target wasm32-wasip2)" | grep libcore',
    ],
    install: "rustup target add wasm32-wasip2",
    async build(work) {
      // One for all of them: most of each is what the others are built of too.
      const target = join(work, "target");
      await run("cargo", args, {
        cwd: join(work, folder),
        env: { ...process.env, CARGO_TARGET_DIR: target },
      });
      return readFile(join(target, "wasm32-wasip2/release", `${crate}.wasm`));
    },
  };
}

function go(folder: string, ...options: string[]) {
  const env = { ...process.env, GOOS: "wasip1", GOARCH: "wasm" };
  return run("go", ["build", ...options, "-o", "core.wasm", "."], { cwd: folder, env });
}

function cc(work: string, ...options: string[]) {
  return run(python, ["-m", "ziglang", "cc", "--target=wasm32-wasi", "-O2", ...options], { cwd: work });
}

/** A core module of preview 1, made a component by the adapter that jco ships. */
async function adapt(
  path: string,
  kind: "command" | "reactor",
  exported?: { readonly wit: string; readonly world: string },
): Promise<Uint8Array> {
  const adapter = await readFile(new URL(`wasi_snapshot_preview1.${kind}.wasm`, ADAPTERS));
  const core = new Uint8Array(await readFile(path));
  const binary =
    exported === undefined
      ? core
      : await componentEmbed({
          binary: core,
          witSource: await readFile(exported.wit, "utf8"),
          world: exported.world,
        });
  return componentNew(binary, [["wasi_snapshot_preview1", new Uint8Array(adapter)]]);
}

/**
 * Builds what can be built.
 *
 * @param folder where the components go
 * @returns one line per guest
 */
export async function buildGuests(folder: string): Promise<string[]> {
  const work = await mkdtemp(join(tmpdir(), "writ-guests-"));
  const lines: string[] = [];
  try {
    await cp(SOURCES, work, { recursive: true });
    const sources = await digestOf(SOURCES);
    await mkdir(folder, { recursive: true });
    for (const [name, { probe, install, build }] of Object.entries(recipes)) {
      const [command, ...args] = probe;
      const version = await run(command, args).then(
        ({ stdout, stderr }) => `${stdout}${stderr}`,
        () => undefined,
      );
      if (version === undefined) {
        lines.push(`${name}: left out, its toolchain is missing (${install})`);
        continue;
      }
      // Built from these sources by this toolchain already: the same again.
      const key = `${sources} ${sha256Hex(version)}\n`;
      const path = join(folder, `${name}.wasm`);
      if ((await readFile(`${path}.key`, "utf8").catch(() => "")) === key) {
        lines.push(`${name}: unchanged`);
        continue;
      }
      try {
        const component = await build(work);
        await writeFile(path, component);
        await writeFile(`${path}.key`, key);
        lines.push(`${name}: ${component.length} bytes`);
      } catch (error) {
        // Said, and no reason to leave out the others: most builds fetch packages, and there may be no network.
        const told = error instanceof Error && "stderr" in error ? String(error.stderr) : String(error);
        lines.push(`${name}: left out, its build failed: ${told.trim().split("\n").at(0)?.slice(0, 200)}`);
      }
    }
  } finally {
    await removeFolder(work);
  }
  return lines;
}

/** Of every file's name and content. */
async function digestOf(folder: string): Promise<string> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const texts = await Promise.all(
    paths.sort().map(async (path) => `${path}\0${await readFile(path, "utf8")}`),
  );
  return sha256Hex(new TextEncoder().encode(texts.join("\0")));
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const folder = process.argv[2] ?? process.env["WRIT_GUESTS"] ?? GUESTS;
  for (const line of await buildGuests(folder)) process.stdout.write(`${line}\n`);
}
