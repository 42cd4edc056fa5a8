/** Habits that a compiler does not check. */
import { describe, expect, it } from "vitest";
import { readSources, stripComments, stripProse } from "./source-tree.ts";

const sources = readSources("src");

/** What must not be called where. `except` names the files that are the one place for it. */
const BANNED: readonly {
  readonly name: string;
  readonly pattern: RegExp;
  readonly except: readonly string[];
}[] = [
  { name: "Math.random", pattern: /\bMath\s*\.\s*random\b/, except: [] },
  { name: "eval", pattern: /\beval\s*\(/, except: [] },
  { name: "new Function", pattern: /\bnew\s+Function\b/, except: [] },
  // Every way out but one: as a call, as a value that could be called elsewhere, or looked up by a name in a text.
  { name: "fetch", pattern: /(?<![.\w])fetch\s*\(/, except: [] },
  { name: "fetch as a value", pattern: /(?<![.\w"'])fetch\b(?!\s*[(:?])/, except: [] },
  {
    name: "the global object",
    pattern: /\b(globalThis|window|self)\s*[.,[)]/,
    except: ["src/runtime/"],
  },
  {
    name: "WebSocket and its kin",
    pattern: /\b(WebSocket|WebSocketStream|EventSource|XMLHttpRequest|WebTransport|RTCPeerConnection)\b/,
    except: [],
  },
  { name: "Worker", pattern: /\bnew\s+(Shared)?Worker\b/, except: ["src/runtime/"] },
  {
    name: "Deno's ways out",
    pattern:
      /\bDeno\s*\.\s*(connect|connectTls|startTls|connectQuic|QuicEndpoint|listenDatagram|createHttpClient|resolveDns|upgradeWebSocket|dlopen|openKv)\b/,
    except: [],
  },
  { name: "Deno", pattern: /\bDeno\s*\./, except: ["src/runtime/"] },
  {
    name: "process",
    pattern: /(?<![.\w])process\s*\.\s*(env|argv|exit|stdout|stderr|stdin|cwd)\b/,
    except: ["src/runtime/", "src/toolchain/"],
  },
  { name: "console", pattern: /(?<![.\w])console\s*\./, except: ["src/runtime/"] },
  {
    // Nobody can wait for it, so it goes on after its house was closed: what comes again and again is begun by
    // `beginRounds`, whose end is an end.
    name: "a timer's work that nobody waits for",
    pattern: /\.\s*after\s*\([^;]*\(\)\s*=>\s*void\b/,
    // Its end is waited for a line later, and again when the house is closed.
    except: ["src/serve.ts"],
  },
  { name: "Date.now", pattern: /\bDate\s*\.\s*now\b|\bnew\s+Date\s*\(\s*\)/, except: ["src/runtime/"] },
];

describe("habits", () => {
  for (const { name, pattern, except } of BANNED) {
    it(`${name} is called nowhere${except.length > 0 ? ` but in ${except.join(", ")}` : ""}`, () => {
      const faults = sources
        .filter(({ path }) => !except.some((place) => path.startsWith(place)))
        .filter(({ text }) => pattern.test(stripProse(text)))
        .map(({ path }) => path);
      expect(faults).toEqual([]);
    });
  }

  it.each([
    "await fetch(url)",
    "const send = fetch;",
    "call(fetch)",
    "globalThis.fetch(url)",
    "Reflect.get(globalThis, name)",
    "globalThis[name]",
    "new WebSocket(url)",
    "new EventSource(url)",
    "Deno.connect({ port })",
    "Deno.connectTls({ port })",
    "Deno.createHttpClient({})",
    "Deno.resolveDns(name)",
    "new Worker(url)",
    "cancel = clock.after(ROUND_MS, () => void round());",
  ])("%s would be found", (line) => {
    expect(BANNED.filter(({ pattern }) => pattern.test(line)).length).toBeGreaterThan(0);
  });

  it("connections are opened by the egress module alone", () => {
    const openers = /\bfrom "(undici|pg|node:(net|tls|http|https|dgram|http2))"/;
    const allowed = [
      "src/broker/egress/",
      // Connects to sockets in the file system, which lead to no network.
      "src/runtime/local-sockets.ts",
      // Connects to the operator's database, and is given nothing that a guest said but as a value.
      "src/runtime/postgres.ts",
      // Listens; opens nothing.
      "src/runtime/node.ts",
      // Reads the pipe to the gateway, which is there; opens nothing.
      "src/runtime/node-executor.ts",
      // Tries to connect from inside the cage, to see that it cannot.
      "src/runtime/executor-common.ts",
    ];
    const faults = sources
      .filter(({ path, text }) => openers.test(text) && !allowed.some((place) => path.startsWith(place)))
      .map(({ path }) => path);
    expect(faults).toEqual([]);
  });

  it("names are resolved by the runtime's resolver alone, and processes are started by runtime and toolchain alone", () => {
    const homes: readonly (readonly [RegExp, readonly string[]])[] = [
      // The second tries to resolve a name from inside the cage, to see that it cannot.
      [/\bfrom "node:dns/, ["src/runtime/common.ts", "src/runtime/executor-common.ts"]],
      // The preparer and the executors, and the engines that build tools.
      [/\bfrom "node:(child_process|worker_threads|cluster)"/, ["src/runtime/", "src/toolchain/"]],
      // By these every module can be had under another name.
      [/\b(createRequire|process\s*\.\s*(binding|getBuiltinModule|dlopen))\b/, ["src/runtime/"]],
    ];
    const faults = homes.flatMap(([pattern, home]) =>
      sources
        .filter(({ path, text }) => pattern.test(text) && !home.some((place) => path.startsWith(place)))
        .map(({ path }) => `${path} ${pattern}`),
    );
    expect(faults).toEqual([]);
  });

  it("no module is imported under a name that is not written there", () => {
    const faults = sources
      .filter(({ text }) => /\bimport\s*\(\s*(?!")/.test(stripComments(text)))
      .map(({ path }) => path)
      // Builds run what they build; the toolchain says so.
      .filter((path) => !path.startsWith("src/toolchain/"));
    expect(faults).toEqual([]);
  });

  it("every file begins by saying what it is for", () => {
    const faults = sources.filter(({ text }) => !text.startsWith("/**")).map(({ path }) => path);
    expect(faults).toEqual([]);
  });

  it("every export is documented", () => {
    const faults = sources.flatMap(({ path, text }) => {
      const lines = text.split("\n");
      return lines.flatMap((line, index) => {
        if (!/^export (async )?(function|const|let|class|abstract class|interface|type \w+)\b/.test(line))
          return [];
        const before = lines.slice(0, index).findLast((candidate) => candidate.trim() !== "");
        const isOverload = /^export (async )?function/.test(line) && before?.startsWith("export ");
        return before?.trimEnd().endsWith("*/") || isOverload ? [] : [`${path}:${index + 1} ${line}`];
      });
    });
    expect(faults).toEqual([]);
  });

  it("no file has grown past one subject", () => {
    const faults = sources
      .map(({ path, text }) => ({ path, lines: text.split("\n").length }))
      .filter(({ lines }) => lines > 400)
      .map(({ path, lines }) => `${path} has ${lines} lines`);
    expect(faults).toEqual([]);
  });

  it("nothing is left for later without saying so", () => {
    const faults = sources
      .filter(({ text }) => /\b(TODO|FIXME|XXX|HACK)\b/.test(text))
      .map(({ path }) => path);
    expect(faults).toEqual([]);
  });
});
