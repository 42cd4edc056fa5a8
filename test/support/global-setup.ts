/**
 * Once per test run: the sample tools are there (`npm test` builds them before; a bare `vitest` does it here), and the
 * sample weather service, whose port is written in the tool, is served from the first test file to the last. What a
 * gateway of one file served would go with it while another file still asks. What is prepared once is there for all.
 */
import { existsSync } from "node:fs";
import { mkdir, mkdtemp } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { createDemo, DEMO_ADDRESS, DEMO_KEY, DEMO_URL } from "../../src/demo/index.ts";
import { removeFolder } from "./folder.ts";
import { copyPatiently, TOOLS_VARIABLE } from "./patient-tools.ts";
import { CACHE_VARIABLE } from "./shared-cache.ts";

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const TOOLS = ["hash", "links", "notes", "rogue", "text", "weather"];
/** Pause between two tries to have the port, while another run of the suite on this machine has it. */
const AGAIN_MS = 20;

/** vitest calls this before the first test file. @returns what it calls after the last */
export async function setup(): Promise<() => Promise<void>> {
  if (!TOOLS.every((name) => existsSync(join(root, ".writ", "tools", name, "tool.json")))) {
    const { buildTools } = await import("../../src/toolchain/index.ts");
    await buildTools({ root, onProgress: (line: string) => console.error(line) });
  }
  const folder = await mkdtemp(join(tmpdir(), "writ-run-"));
  const [cache, tools] = [join(folder, "cache"), join(folder, "tools")];
  await mkdir(cache);
  await copyPatiently(join(root, ".writ", "tools"), tools);
  process.env[CACHE_VARIABLE] = cache;
  process.env[TOOLS_VARIABLE] = tools;
  const endDemo = await holdDemo();
  return async () => {
    await endDemo();
    await removeFolder(folder);
  };
}

/** Serves the demo, now or as soon as whoever else serves it ends. */
async function holdDemo(): Promise<() => Promise<void>> {
  const answer = createDemo({ key: DEMO_KEY });
  const server = createServer(async ({ url = "/", method = "GET", headers }, response) => {
    const given = Object.entries(headers).map(([name, value]): [string, string] => [name, String(value)]);
    const answered = answer(new Request(`${DEMO_URL}${url}`, { method, headers: given }));
    response.writeHead(answered.status, Object.fromEntries(answered.headers)).end(await answered.text());
  });
  let timer: ReturnType<typeof setTimeout> | undefined;
  const listen = () => server.listen(DEMO_ADDRESS.port, DEMO_ADDRESS.hostname);
  await new Promise<void>((resolve) => {
    server.on("listening", resolve);
    server.on("error", () => {
      resolve();
      timer = setTimeout(listen, AGAIN_MS);
    });
    listen();
  });
  return async () => {
    clearTimeout(timer);
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
}
