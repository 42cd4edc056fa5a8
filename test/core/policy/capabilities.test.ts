import { describe, expect, it } from "vitest";
import {
  CAPABILITIES,
  CAPABILITY_WORDS,
  capabilityOf,
  capabilityPage,
  changeForDecision,
  changeForImport,
  needsOf,
} from "../../../src/core/policy/index.ts";

describe("capabilityOf()", () => {
  const table = [
    ["wasi:http/outgoing-handler@0.2.12", "http-client", true],
    ["wasi:http/types", "http-client", true],
    ["wasi:io/streams@0.2.0", "io", true],
    ["wasi:cli/exit@0.2.3", "environment", true],
    ["wasi:cli/terminal-stdin@0.2.3", "stdio", true],
    ["writ:host/secrets@0.1.0", "secrets", true],
    ["wasi:filesystem/preopens@0.2.12", "filesystem", true],
    ["wasi:sockets/tcp@0.2.12", "sockets", true],
    ["wasi:sockets/udp@0.2.12", "udp", false],
    ["wasi:http/incoming-handler@0.2.12", undefined, undefined],
    ["wasi:clocks/timezone@0.2.12", "clocks", true],
    ["wasi:logging/logging", "log", true],
    ["wasi:config/store@0.2.0-rc.1", "config", true],
    ["writ:host/signing@0.1.0", "signing", true],
    ["writ:host/reveal@0.1.0", "reveal", true],
    ["wasi:keyvalue/atomics@0.2.0-draft", "keyvalue", true],
    ["wasi:keyvalue/watcher@0.2.0-draft2", undefined, undefined],
    ["wasi:config/runtime@0.2.0-draft", undefined, undefined],
    ["wasi:nn/graph", undefined, undefined],
    ["constructor", undefined, undefined],
    ["", undefined, undefined],
  ] as const;
  it.each(table)("answers %j with %j", (name, word, served) => {
    expect(capabilityOf(name)?.word).toBe(word);
    expect(capabilityOf(name)?.served).toBe(served);
  });
});

describe("needsOf()", () => {
  it("names each granted word once, in the table's order, without plumbing, refused and unknown interfaces", () => {
    const names = [
      "wasi:random/random@0.2.1",
      "wasi:io/poll",
      "wasi:filesystem/types",
      "x:y/z",
      "wasi:http/types",
      "writ:host/log",
      "wasi:random/insecure",
    ];
    expect(needsOf(names)).toEqual(["http-client", "log", "random", "filesystem"]);
    expect(needsOf([])).toEqual([]);
  });
});

/** A denial of each capability that a call can meet; of the others a decision denies the whole run. */
const DENIED_CALLS = {
  "http-client": {
    import: "wasi:http/outgoing-handler#handle",
    target: "GET https://api.test:443/",
    clause: "network_allowlist",
    result: "HTTP-request-denied",
  },
  secrets: { import: "writ:host/secrets#get", target: "cloud", clause: "secret_profile", result: "unknown" },
  keyvalue: { import: "wasi:keyvalue/store#open", target: "cart", clause: "keyvalue.buckets" },
  filesystem: {
    import: "wasi:filesystem/types#[method]descriptor.write",
    target: "/",
    clause: "filesystem.scratch_bytes",
    result: "over quota: more than 10 bytes",
  },
  sockets: {
    import: "wasi:sockets/tcp#[method]tcp-socket.start-connect",
    target: "tcp://db.test:5432",
    clause: "sockets",
    result: "access-denied",
  },
  tools: { import: "writ:host/tools#invoke", target: "hash hash/sha256", clause: "tools" },
  signing: { import: "writ:host/signing#sign", target: "cloud", clause: "secret_operations" },
  reveal: { import: "writ:host/reveal#reveal", target: "cloud", clause: "secret_operations" },
} as const;

describe("CAPABILITIES", () => {
  const asked = { tool: "t", function: "f", purpose: "p" };

  it.each(CAPABILITIES.map((row) => [row.word, row] as const))(
    "%s is on the page, with every import",
    (word, row) => {
      const line = capabilityPage([row], [])
        .split("\n")
        .find((text) => text.startsWith(`| ${word} |`));
      for (const name of row.interfaces) expect(line).toContain(`\`${name}\``);
      expect(line).toContain(row.sentence);
    },
  );

  it.each(CAPABILITIES.flatMap((row) => (row.clause === null ? [] : [[row.word, row.clause] as const])))(
    "%s has a change that unlocks it, written in its own clause",
    (word, clause) => {
      const denied = Object.entries(DENIED_CALLS).find(([name]) => name === word)?.[1];
      const decided = changeForDecision({ clause, effect: "deny", detail: "" }, asked);
      const change = denied === undefined ? decided : changeForImport(denied);
      expect(change).toMatch(new RegExp(`^(add to|set|raise) ${clause}\\b`));
    },
  );

  it("puts every interface in one row only, and every word in one row", () => {
    const interfaces = CAPABILITIES.flatMap((row) => row.interfaces);
    expect(new Set(interfaces).size).toBe(interfaces.length);
    expect(new Set(CAPABILITIES.map(({ word }) => word)).size).toBe(CAPABILITIES.length);
    expect(CAPABILITY_WORDS).toHaveLength(15);
  });
});
