/** The command line as a whole: help, version, exit codes, and failures without stacks. */
import { describe, expect, it } from "vitest";
import { GatewayError } from "../../src/core/errors.ts";
import { cli } from "./support.ts";

const COMMANDS: readonly (readonly string[])[] = [
  ["serve"],
  ["build"],
  ["inspect"],
  ["meter"],
  ["run"],
  ["policy", "check"],
  ["policy", "explain"],
  ["policy", "schema"],
  ["verify"],
  ["keys", "issue"],
  ["keys", "list"],
  ["keys", "revoke"],
];

const failing = (error: unknown) => ({ startServer: () => Promise.reject(error) });

describe("runCli()", () => {
  for (const args of [["nope"], ["--nope"], ["policy", "nope"], ["keys", "revoke"], []]) {
    it(`ends with 2 for ${JSON.stringify(args.join(" "))} and says why`, async () => {
      const { code, err } = await cli(args);
      expect(code).toBe(2);
      expect(err).not.toBe("");
    });
  }

  for (const command of COMMANDS) {
    it(`${command.join(" ")} has help with an example, and --json`, async () => {
      const { code, out, err } = await cli([...command, "--help"]);
      expect({ code, err }).toEqual({ code: 0, err: "" });
      expect(out).toMatch(/--json/);
      expect(out).toMatch(new RegExp(`Example:\n  writ ${command.join(" ")}`));
    });
  }

  it("prints the version", async () => {
    expect(await cli(["--version"])).toEqual({ code: 0, out: "1.2.3", err: "" });
  });

  it("prints a bug without its stack, and with it when WRIT_DEBUG is 1", async () => {
    const quiet = await cli(["serve"], failing(new TypeError("x is undefined")));
    expect(quiet.code).toBe(2);
    expect(quiet.err).toBe("writ: Internal error: x is undefined\n  set WRIT_DEBUG=1 to see where");
    const loud = await cli(["serve"], { ...failing(new TypeError("x")), env: { WRIT_DEBUG: "1" } });
    expect(loud.err).toMatch(/\n\s+at /);
  });

  it("prints the faults of a refusal, and nothing that moves the cursor", async () => {
    const error = new GatewayError("Cannot do \u001b[2Jthat", {
      code: "invalid-request",
      errors: [{ pointer: "/a", detail: "is missing" }],
    });
    const { err } = await cli(["serve"], failing(error));
    expect(err).toBe("writ: Cannot do \\u{1b}[2Jthat\n  /a is missing");
  });
});

describe("build", () => {
  it("builds the named folders with the options, and keeps quiet about what is unchanged", async () => {
    const calls: unknown[] = [];
    const openToolchain = async () => ({
      buildTools: async () => [],
      buildTool: async (
        folder: string,
        options: { cacheDir?: string; onProgress?: (line: string) => void },
      ) => {
        calls.push([folder, options.cacheDir]);
        options.onProgress?.("tool a: unchanged, sha256:00");
        return { name: "a", folder, path: "p", digest: "sha256:00", imports: [], cached: true };
      },
      writeOffer: async () => ({ path: "wit/offer.wasm", written: false }),
    });
    const { code, out } = await cli(["build", "one", "two", "--out", "there", "--quiet-if-fresh"], {
      openToolchain,
    });
    expect({ code, calls }).toEqual({
      code: 0,
      calls: [
        ["one", "there"],
        ["two", "there"],
      ],
    });
    expect(out).not.toMatch(/unchanged/);
  });

  it("ends with 2 and the engine's words when a source does not compile", async () => {
    const openToolchain = async () => ({
      buildTools: () => Promise.reject(new Error("weather.ts:3:1\nunexpected token")),
      buildTool: () => Promise.reject(new Error("not asked")),
      writeOffer: () => Promise.reject(new Error("not asked")),
    });
    const { code, err } = await cli(["build", "--tools"], { openToolchain });
    expect(code).toBe(2);
    expect(err).toBe("writ: weather.ts:3:1\n  unexpected token");
  });
});
