/**
 * Makes a bare clone runnable: packages installed, both runtimes there, sample tools built. Runs before `npm start`,
 * `npm test` and their like, in plain JavaScript, because all there may be is an old Node (18 or newer).
 *
 * When nothing is missing it reads a few files and starts no process. Stamps say what was done for which input; a
 * stamp is written last, so a crash at any line only makes the next start do the work again.
 */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The project's folder. */
export const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");
const modules = join(root, "node_modules");
const packagesStamp = join(modules, ".writ-setup");
const toolsStamp = join(root, ".writ", "setup-tools");

/** A failure that the operator can mend: printed without a stack. */
export class SetupError extends Error {}

/**
 * Path of a pinned runtime, as npm installed it.
 *
 * @param {"node" | "deno"} name
 */
export function runtimePath(name) {
  return join(modules, ".bin", process.platform === "win32" ? `${name}.cmd` : name);
}

/**
 * Does what is missing.
 *
 * @param {{ tools: boolean }} options whether the sample tools are wanted too
 * @throws {SetupError} with what to do
 */
export async function setUp({ tools }) {
  const lock = sha256(readFileSync(join(root, "package-lock.json")));
  if (readText(packagesStamp) !== lock) {
    if (!isInstalled()) await installPackages();
    await checkRuntimes();
    writeFileSync(packagesStamp, lock);
  }
  if (tools) await buildTools(lock);
}

/** Whether someone else's `npm ci` or `npm install` has put in place just what the lock file names. */
function isInstalled() {
  const wanted = readJson(join(root, "package-lock.json"));
  const found = readJson(join(modules, ".package-lock.json"));
  if (wanted === undefined || found === undefined) return false;
  return Object.entries(wanted.packages).every(([path, { version, optional, devOptional, link }]) => {
    if (path === "" || link) return true;
    // Packages of other platforms are in the lock file and rightly not here.
    return found.packages[path] === undefined
      ? Boolean(optional || devOptional)
      : found.packages[path].version === version;
  });
}

async function installPackages() {
  const count = Object.keys(readJson(join(root, "package-lock.json"))?.packages ?? {}).length - 1;
  const done = step(1, `installing ${count} packages into node_modules (once, about a minute)`);
  const { code, output } = await runNpm(["ci", "--no-audit", "--no-fund", "--loglevel=error"]);
  if (code !== 0) {
    throw new SetupError(`Cannot install packages: npm ci ended with ${code}\n${firstLines(output)}`);
  }
  done();
}

/** npm says what is wrong first, and then how it is used. */
function firstLines(output) {
  const lines = output.split("\n").filter((line) => line.replace("npm error", "").trim() !== "");
  return lines.slice(0, 12).join("\n");
}

/** Runs both runtimes: a package that was unpacked but whose install script was blocked looks installed. */
async function checkRuntimes() {
  const done = step(2, "checking the pinned runtimes");
  let broken = await findBroken();
  if (broken.length > 0) {
    await runNpm(["rebuild", ...broken, "--loglevel=error"]);
    broken = await findBroken();
  }
  if (broken.length > 0) {
    throw new SetupError(
      [
        `Cannot run ${broken.join(" and ")} from node_modules/.bin: the install script of the package did not run`,
        "npm 11 and newer run only scripts that package.json names under allowScripts; --ignore-scripts blocks all",
        `mend it with: npm rebuild ${broken.join(" ")} --ignore-scripts=false`,
      ].join("\n"),
    );
  }
  done();
}

async function findBroken() {
  const broken = [];
  for (const name of /** @type {const} */ (["node", "deno"])) {
    const { code } = await run(runtimePath(name), ["--version"]);
    if (code !== 0) broken.push(name);
  }
  return broken;
}

/** Builds tools when their sources, their WIT, the toolchain or a package has changed since the last build. */
async function buildTools(lock) {
  const inputs = sha256([lock, ...["tools", "wit", join("src", "toolchain")].map(digestFolder)].join("\n"));
  const names = listFolders(join(root, "tools")).filter((name) =>
    existsSync(join(root, "tools", name, "tool.yaml")),
  );
  const built = names.every((name) => existsSync(join(root, ".writ", "tools", name, "tool.json")));
  if (built && readText(toolsStamp) === inputs) return;
  const done = step(
    3,
    `building ${names.length} sample tools (once, some ten seconds each for the big ones)`,
  );
  // Stripping types of the tools' sources is experimental in Node, which says so each time.
  const quiet = "--disable-warning=ExperimentalWarning";
  const args = [quiet, join(root, "src", "main.ts"), "build", "--tools", "--quiet-if-fresh"];
  const { code } = await run(runtimePath("node"), args, { shown: true });
  if (code !== 0) throw new SetupError(`Cannot build the sample tools: writ build ended with ${code}`);
  mkdirSync(dirname(toolsStamp), { recursive: true });
  writeFileSync(toolsStamp, inputs);
  done();
}

/** Runs the npm that runs us, or else the one on the path. */
function runNpm(args) {
  const script = process.env.npm_execpath;
  return script !== undefined && /npm-cli\.[cm]?js$/.test(script)
    ? run(process.execPath, [script, ...args])
    : run(process.platform === "win32" ? "npm.cmd" : "npm", args);
}

/** @returns its exit code (null when it could not be started) and, unless it was shown, what it wrote */
function run(command, args, { shown = false } = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd: root,
      stdio: shown ? ["ignore", "inherit", "inherit"] : ["ignore", "pipe", "pipe"],
      shell: command.endsWith(".cmd"),
    });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on("data", (chunk) => {
        output = (output + chunk).slice(0, 8000);
      });
    }
    child.once("error", (error) => resolve({ code: null, output: error.message }));
    child.once("close", (code) => resolve({ code, output }));
  });
}

/** Says what begins, that it goes on, and how long it took. Standard error: `writ … --json` keeps its output clean. */
function step(number, text) {
  const started = Date.now();
  const seconds = () => `${((Date.now() - started) / 1000).toFixed(1)} s`;
  const say = (line) => process.stderr.write(`${line}\n`);
  say(`[${number}/3] ${text} …`);
  const timer = setInterval(() => say(`      … ${seconds()}`), 10_000);
  timer.unref();
  return () => {
    clearInterval(timer);
    say(`      done in ${seconds()}`);
  };
}

function digestFolder(folder) {
  const digest = createHash("sha256");
  for (const path of listFiles(join(root, folder))) {
    digest
      .update(`${path.slice(root.length)}\0`)
      .update(readFileSync(path))
      .update("\0");
  }
  return digest.digest("hex");
}

function listFiles(folder) {
  return readdirSync(folder, { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const path = join(folder, entry.name);
      return entry.isDirectory() ? listFiles(path) : [path];
    });
}

function listFolders(folder) {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name);
}

function sha256(data) {
  return createHash("sha256").update(data).digest("hex");
}

function readText(path) {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

function readJson(path) {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch {
    return undefined;
  }
}

/** Runs `action` as a program: a failure becomes lines of standard error and exit code 2. */
export async function main(action) {
  try {
    await action();
  } catch (error) {
    const text = error instanceof SetupError ? error.message : (error?.stack ?? String(error));
    process.stderr.write(`writ: ${text}\n`);
    process.exitCode = 2;
  }
}

if (process.argv[1] !== undefined && fileURLToPath(import.meta.url) === realpathSync(process.argv[1])) {
  await main(() => setUp({ tools: true }));
}
