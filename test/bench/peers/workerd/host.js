/**
 * Runs inside workerd. Each path is one thing that is timed from outside: inside, the clock stands still while code runs.
 * Every cold load gets code that was never seen, so that nothing can come from a cache.
 */
import { WorkerEntrypoint } from "cloudflare:workers";
import bytes from "tiny.bin";

const DATE = "2026-01-01";
/** Made in the first request: workerd gives out no random values before. */
let fresh;
let loads = 0;

const mark = () => {
  fresh ??= crypto.randomUUID();
  return `${fresh}-${loads++}`;
};

const script = (text) => ({
  compatibilityDate: DATE,
  mainModule: "main.js",
  globalOutbound: null,
  modules: {
    "main.js": `export default { fetch() { return new Response("ok ${text}"); } };`,
  },
});

const wasm = (text) => ({
  compatibilityDate: DATE,
  mainModule: "main.js",
  globalOutbound: null,
  modules: {
    "tiny.wasm": { wasm: bytes },
    "main.js": `import tiny from "./tiny.wasm";
      export default { fetch() { const { exports } = new WebAssembly.Instance(tiny); return new Response("ok ${text} " + exports.f(7)); } };`,
  },
});

/** One entrypoint; what it does is in the path. */
export class Host extends WorkerEntrypoint {
  async fetch(request) {
    const { LOADER } = this.env;
    const call = (stub) => stub.getEntrypoint().fetch("http://guest/");
    switch (new URL(request.url).pathname) {
      case "/echo":
        return new Response("ok");
      case "/load":
        return call(LOADER.load(script(mark())));
      case "/load-wasm":
        return call(LOADER.load(wasm(mark())));
      case "/get":
        return call(LOADER.get("warm", () => script("warm")));
      case "/get-wasm":
        return call(LOADER.get("warm-wasm", () => wasm("warm")));
      case "/live":
        // A name of its own: workerd keeps it, as it keeps every isolate that can be asked for again.
        return call(LOADER.get(mark(), () => script("live")));
      default:
        return new Response("no such path", { status: 404 });
    }
  }
}
