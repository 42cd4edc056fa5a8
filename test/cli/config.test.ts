/** Where settings come from, and what is refused wherever it was found. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cli, makeFolder, type TestFolder } from "./support.ts";

let folder: TestFolder;
beforeAll(async () => {
  folder = await makeFolder();
});
afterAll(() => folder.remove());

/** `serve --print-config --json`, read. */
async function configOf(
  flags: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Record<string, { value: unknown; source: string }>> {
  const { code, out, err } = await cli(["serve", "--print-config", "--json", ...flags], { env });
  expect({ code, err }).toEqual({ code: 0, err: "" });
  return JSON.parse(out);
}

describe("loadConfig()", () => {
  const hostileFiles: readonly (readonly [string, string, RegExp])[] = [
    ["no JSON", "{", /not JSON/],
    ["a list", "[]", /not a JSON object/],
    ["a key twice", '{"port":1,"port":2}', /duplicate key "port"/],
    ["a misspelt key", '{"prot":1}', /\/prot is no setting; there are host, port/],
    ["a key of every object", '{"__proto__":1,"constructor":2}', /\/constructor is no setting/],
    ["a port as text", '{"port":"8787"}', /\/port is "8787", wanted an integer from 0 to 65535/],
    ["a port too high", '{"port":65536}', /\/port is 65536, wanted an integer/],
    ["a switch as text", '{"demo":"yes"}', /\/demo is "yes", wanted true or false/],
    ["a level that is none", '{"logLevel":"loud"}', /\/logLevel is "loud", wanted silent, error/],
    ["an origin with a path", '{"allowedOrigins":["https://a.example/x"]}', /wanted an origin such as/],
    ["hosts that are no list", '{"allowedHosts":"a"}', /\/allowedHosts is "a", wanted a list/],
  ];
  for (const [name, text, wanted] of hostileFiles) {
    it(`refuses a file with ${name}`, async () => {
      const file = await folder.put("hostile.json", text);
      const { code, out, err } = await cli(["serve", "--config", file]);
      expect({ code, out }).toEqual({ code: 2, out: "" });
      expect(err).toMatch(wanted);
      expect(err).toContain(file);
    });
  }

  const hostileVariables: readonly (readonly [string, string, RegExp])[] = [
    ["WRIT_PORT", "8787x", /WRIT_PORT is "8787x", wanted an integer/],
    ["WRIT_PORT", "-1", /WRIT_PORT is "-1"/],
    ["WRIT_PORT", "0x10", /WRIT_PORT is "0x10"/],
    ["WRIT_DEMO", "maybe", /WRIT_DEMO is "maybe", wanted true or false/],
    ["WRIT_EXECUTORS", "0", /WRIT_EXECUTORS is 0, wanted an integer from 1/],
    ["WRIT_HOST", "a b", /WRIT_HOST is "a b", wanted an address/],
  ];
  for (const [name, value, wanted] of hostileVariables) {
    it(`refuses ${name}=${value}`, async () => {
      const { code, err } = await cli(["serve"], { env: { [name]: value } });
      expect(code).toBe(2);
      expect(err).toMatch(wanted);
    });
  }

  it("lists every fault at once", async () => {
    const { err } = await cli(["serve", "--port", "x"], { env: { WRIT_DEMO: "y" } });
    expect(err).toMatch(/flag --port is "x"/);
    expect(err).toMatch(/WRIT_DEMO is "y"/);
  });

  it("refuses a named file that is missing, and a folder", async () => {
    expect((await cli(["serve", "--config", `${folder.path}/nope`])).err).toMatch(/no such file/);
    expect((await cli(["serve", "--config", folder.path])).err).toMatch(/it is a folder, wanted a file/);
  });

  it("takes flags before variables before the file before defaults, and says so", async () => {
    const file = await folder.put("good.json", '{"port":1,"host":"::1","executors":3}');
    const env = { WRIT_PORT: "2", WRIT_HOST: "10.0.0.1" };
    const found = await configOf(["--config", file, "--port", "3"], env);
    expect(found["port"]).toEqual({ value: 3, source: "flag --port" });
    expect(found["host"]).toEqual({ value: "10.0.0.1", source: "WRIT_HOST" });
    expect(found["executors"]).toEqual({ value: 3, source: `${file} /executors` });
    expect(found["logLevel"]).toEqual({ value: "info", source: "default" });
  });

  it("takes an empty variable for one that is not set", async () => {
    expect((await configOf([], { WRIT_PORT: "" }))["port"]).toEqual({ value: 8787, source: "default" });
  });

  it("reads lists and switches from text", async () => {
    const found = await configOf(["--demo"], { WRIT_ALLOWED_HOSTS: "a.example, b.example," });
    expect(found["allowedHosts"]?.value).toEqual(["a.example", "b.example"]);
    expect(found["demo"]).toEqual({ value: true, source: "flag --demo" });
  });
});
