/**
 * The bar with lists that others publish, read from where they are published and never committed: the sources of
 * language distributions and packages of public registries, fetched by their ordinary clients. Says what it could not
 * get. `node test/broker/bar/published.ts` (and the same under Deno); exits 1 when anything was reached.
 */
import { execFile } from "node:child_process";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { attempt, forbidden, watch } from "./attempts.ts";

interface Source {
  readonly name: string;
  readonly licence: string;
  /** @returns the files' text; throws when the toolchain or the network is not there */
  readonly read: (folder: string) => Promise<readonly string[]>;
}

const run = promisify(execFile);

async function output(command: string, args: readonly string[], cwd?: string): Promise<string> {
  return (
    await run(command, [...args], {
      timeout: 60_000,
      maxBuffer: 2 ** 26,
      ...(cwd === undefined ? {} : { cwd }),
    })
  ).stdout;
}

async function texts(folder: string, names: readonly string[]): Promise<readonly string[]> {
  return Promise.all(names.map((name) => readFile(join(folder, name), "utf8")));
}

async function untar(archive: string, folder: string, wanted: RegExp): Promise<readonly string[]> {
  await output("tar", ["xzf", archive, "-C", folder]);
  const found = await readdir(folder, { recursive: true });
  return texts(
    folder,
    found.filter((name) => wanted.test(name)),
  );
}

const SOURCES: readonly Source[] = [
  {
    name: "Web Platform Tests, urltestdata.json, as in the crate url 2.5.4",
    licence: "BSD-3-Clause",
    async read(folder) {
      await mkdir(join(folder, "src"), { recursive: true });
      await writeFile(join(folder, "src/lib.rs"), "");
      await writeFile(
        join(folder, "Cargo.toml"),
        '[package]\nname = "lists"\nversion = "0.0.0"\nedition = "2021"\n[dependencies]\nurl = "=2.5.4"\n',
      );
      const vendored = join(folder, "vendor");
      await output("cargo", ["vendor", "--quiet", vendored], folder);
      return texts(join(vendored, "url/tests"), ["urltestdata.json", "setters_tests.json"]);
    },
  },
  {
    name: "Go's tests of net, net/netip and net/url",
    licence: "BSD-3-Clause",
    async read() {
      const root = (await output("go", ["env", "GOROOT"])).trim();
      return texts(join(root, "src/net"), [
        "netip/netip_test.go",
        "netip/fuzz_test.go",
        "url/url_test.go",
        "ip_test.go",
      ]);
    },
  },
  {
    name: "CPython's tests of ipaddress and urllib.parse",
    licence: "PSF-2.0",
    async read() {
      const folder = await output("python3", [
        "-c",
        "import test, os; print(os.path.dirname(test.__file__), end='')",
      ]);
      return texts(folder, ["test_ipaddress.py", "test_urlparse.py"]);
    },
  },
  {
    name: "netaddr 1.3.0's tests, sdist from PyPI",
    licence: "BSD-3-Clause",
    async read(folder) {
      await output("python3", [
        "-m",
        "pip",
        "download",
        "-q",
        "--no-deps",
        "--no-binary",
        ":all:",
        "netaddr==1.3.0",
        "-d",
        folder,
      ]);
      return untar(join(folder, "netaddr-1.3.0.tar.gz"), folder, /tests\/(ip|strategy)\/.*\.py$/);
    },
  },
  {
    name: "ipaddr.js 2.5.0's documentation and package, npm",
    licence: "MIT",
    read: () => texts("node_modules/ipaddr.js", ["README.md", "lib/ipaddr.js"]),
  },
];

/** Quoted texts of a source file that could be an address, a host or a URL: everything with a digit, dot or colon. */
function candidates(text: string): readonly string[] {
  const quoted = text.matchAll(/"((?:[^"\\\n]|\\.){1,300})"|'((?:[^'\\\n]|\\.){1,300})'|`([^`\n]{1,300})`/g);
  return [...quoted]
    .map(([, double, single, back]) => unquote(double ?? single ?? back ?? ""))
    .filter((found) => /[.:]/.test(found) && /[0-9a-z%]/i.test(found));
}

function unquote(text: string): string {
  return text.replace(
    /\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|(.))/g,
    (_all, unit?: string, byte?: string, letter = "") => {
      if (unit !== undefined || byte !== undefined)
        return String.fromCharCode(Number.parseInt(unit ?? byte ?? "", 16));
      return { n: "\n", r: "\r", t: "\t", "0": "\0" }[letter as string] ?? letter;
    },
  );
}

const folder = join(tmpdir(), `writ-published-${process.pid}`);
const spellings = new Set<string>();
let sources = 0;
for (const [index, { name, licence, read }] of SOURCES.entries()) {
  const own = join(folder, String(index));
  await mkdir(own, { recursive: true });
  try {
    const found = new Set((await read(own)).flatMap(candidates));
    for (const spelling of found) spellings.add(spelling);
    sources += 1;
    console.log(`${String(found.size).padStart(6)}  ${name} (${licence})`);
  } catch (error) {
    const why = error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error);
    console.log(`skipped  ${name}: ${why.slice(0, 160)}`);
  }
}
const watched = await watch();
const faults = await attempt([...spellings], watched);
await watched.close();
const reached = forbidden(watched);
console.log(
  `${spellings.size} spellings of ${sources} sources, ${spellings.size * 4} attempts: ${watched.accepted()} connections accepted, ${reached.length} forbidden addresses dialed`,
);
for (const address of reached) console.log(`  dialed ${address}`);
for (const fault of faults) console.log(`  answered ${JSON.stringify(fault)}`);
if (watched.accepted() + reached.length + faults.length > 0) process.exitCode = 1;
