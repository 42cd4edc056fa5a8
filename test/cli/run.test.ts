/** `writ run` with real components in the real sandbox, and what it refuses before anything runs. */
import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runtime } from "#runtime";
import type { LocalGatewayOptions } from "../../src/cli/index.ts";
import { openLocalGateway } from "../../src/local.ts";
import { npmGuest } from "../guests/npm-guests.ts";
import { builtTool, cli, makeFolder, policyText, stdin, type TestFolder } from "./support.ts";

let folder: TestFolder;
beforeAll(async () => {
  folder = await makeFolder();
});
afterAll(() => folder.remove());

const HELLO = '{"data":"aGVsbG8gd29ybGQ="}';
const SHA256 = "uU0nuZNNPgilLlLX2n2r+sSE7+N6U4DukIj3rOLvzek=";

const run = (args: readonly string[], changes = {}) =>
  cli(["run", ...args, "--data", `${folder.path}/data`], changes);

/** Refused before a gateway is opened. */
const unopened = { openLocalGateway: () => Promise.reject(new TypeError("opened")) };

describe("run", () => {
  const hostile: readonly (readonly [string, readonly string[], RegExp])[] = [
    [
      "no function",
      [],
      /no function was named, wanted one of\n {2}hash\/fnv1a64 +func\(data: list<u8>\) -> u64/,
    ],
    ["an unknown function", ["sha512"], /"sha512" names no function/],
    ["a function of every object", ["constructor"], /"constructor" names no function/],
    ["input that is no JSON", ["sha256", "--input", "{"], /Cannot read input: not JSON/],
    ["a key twice", ["sha256", "--input", '{"data":"","data":""}'], /duplicate key "data"/],
    ["a missing parameter", ["sha256"], /\/input.*data/],
    ["input of the wrong type", ["sha256", "--input", '{"data":7}'], /\/input\/data must be base64/],
    ["a stranger's parameter", ["sha256", "--input", '{"data":"","x":1}'], /\/input\/x/],
    ["two inputs", ["sha256", "--input", "{}", "--input-file", "x"], /both given/],
    ["a missing input file", ["sha256", "--input-file", "/nowhere"], /no such file/],
  ];
  for (const [name, args, wanted] of hostile) {
    it(`refuses ${name}, and nothing runs`, async () => {
      const { code, out, err } = await run([builtTool("hash"), ...args], unopened);
      expect({ code, out }).toEqual({ code: 2, out: "" });
      expect(err).toMatch(wanted);
    });
  }

  it("refuses a policy with a fault, and a purpose that is not chosen", async () => {
    const broken = await folder.put("broken.yaml", policyText({ purpose: "[]" }));
    const args = [builtTool("hash"), "sha256", "--input", HELLO];
    expect((await run([...args, "--policy", broken], unopened)).err).toMatch(/broken\.yaml:3:\d+ \/purpose/);
    const two = await folder.put("two.yaml", policyText({ purpose: "[one, two]" }));
    expect((await run([...args, "--policy", two], unopened)).err).toMatch(
      /choose one with --purpose\n {2}one\n {2}two/,
    );
  });

  it("ends with 2 when the policy denies, and keeps the signed denial", async () => {
    const policy = await folder.put("deny.yaml", policyText());
    const manifest = `${folder.path}/denied.sigstore.json`;
    const args = [builtTool("hash"), "fnv1a64", "--input", HELLO, "--policy", policy, "--manifest", manifest];
    const { code, out, err } = await run(args);
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err).toMatch(/functions/);
    const verified = await cli(["verify", manifest, "--data", `${folder.path}/data`]);
    expect(verified.code).toBe(0);
    expect(verified.out).toMatch(/denied: hash hash\/fnv1a64/);
  });

  it("ends with 1 for a bad outcome, and says what was spent", async () => {
    const policy = await folder.put(
      "poor.yaml",
      policyText({
        budget:
          "{ fuel: 10, memory_bytes: 16MiB, egress_bytes: 0, requests: 0, output_bytes: 4KiB, log_bytes: 0 }",
      }),
    );
    const { code, out, err } = await run([builtTool("hash"), "sha256", "--input", HELLO, "--policy", policy]);
    expect({ code, out }).toEqual({ code: 1, out: "" });
    expect(err).toMatch(/^exhausted \{"budget":"fuel"\}/);
    expect(err).toMatch(/fuel +\d+ of 10\n/);
  });

  it("prints the output alone, the rest beside it, and writes a manifest that verifies", async () => {
    const manifest = `${folder.path}/hash.sigstore.json`;
    const args = [builtTool("hash"), "sha256", "--input", "-", "--manifest", manifest];
    const { code, out, err } = await run(args, stdin(HELLO));
    expect({ code, out }).toEqual({ code: 0, out: JSON.stringify(SHA256) });
    expect(err).toMatch(/^completed\n/);
    expect(err).toMatch(/fuel +[1-9]\d* of/);
    expect(JSON.parse(await readFile(manifest, "utf8")).mediaType).toMatch(/sigstore\.bundle/);
    const verified = await cli([
      "verify",
      manifest,
      "--data",
      `${folder.path}/data`,
      "--component",
      builtTool("hash"),
    ]);
    expect(verified.code).toBe(0);
  });

  it("with --json prints what the gateway answers over HTTP", async () => {
    const { code, out } = await run([builtTool("hash"), "hash/sha256", "--input", HELLO, "--json"]);
    expect(code).toBe(0);
    const answer = JSON.parse(out);
    expect(Object.keys(answer)).toEqual(["run", "outcome", "output", "manifest", "receipt"]);
    expect(answer).toMatchObject({ outcome: { kind: "completed" }, output: SHA256 });
  });

  it("shows what the guest printed, beside the answer", async () => {
    const shown: string[] = [];
    const { code } = await run([builtTool("rogue"), "flood-stdout"], {
      openLocalGateway: (options: LocalGatewayOptions) =>
        openLocalGateway({ ...runtime, printError: (line) => void shown.push(line) }, options),
    });
    expect(code).toBe(1);
    // The first run of a component waits for what is said before it.
    const printed = shown.filter((line) => !line.startsWith("writ: prepared "));
    expect(printed[0]).toMatch(/^stdout: rogue rogue/);
  });

  it("mounts the folders that are named, and says how to name one that is not", async () => {
    const component = `${folder.path}/reach.wasm`;
    await writeFile(component, await npmGuest("reach"));
    await mkdir(`${folder.path}/reference`);
    await writeFile(`${folder.path}/reference/read.me`, "from the operator");
    const profiles = await folder.put(
      "profiles.yaml",
      'cloud: { secret: { value: a-secret-of-the-cloud }, audience: ["https://api.example.com"], inject: { bearer: true } }',
    );
    await chmod(profiles, 0o600);
    const policy = await folder.put(
      "reach.yaml",
      policyText({
        tool_id: "reach",
        functions: '{ "reach/file": { operation: read } }',
        config: "{}",
        keyvalue: "{ buckets: [none], bytes: 0 }",
        secret_profile: "cloud",
        secret_operations: "[sign, reveal]",
        filesystem: "{ mounts: [{ name: reference, path: /data }] }",
        budget:
          "{ fuel: 2e8, memory_bytes: 64MiB, egress_bytes: 0, requests: 0, output_bytes: 4KiB, log_bytes: 4KiB }",
      }),
    );
    const input = '{"root":"/data","operation":"read","path":"read.me","value":""}';
    const args = [component, "file", "--input", input, "--policy", policy, "--profiles", profiles];
    const without = await run(args);
    expect(without.code).toBe(2);
    expect(without.err).toMatch(
      /mount "reference" is not among the operator's folders; name it with --mounts/,
    );
    const { code, out, err } = await run([...args, "--mounts", `reference=${folder.path}/reference`]);
    expect([code, JSON.parse(out)]).toEqual([0, { ok: "from the operator" }]);
    expect(err).toMatch(/filesystem\.mounts/);
  });

  it("gives a closed policy to a component without one: its request is denied, and the event says so", async () => {
    const args = [builtTool("rogue"), "reach-host", "--input", '{"url":"https://example.com/"}'];
    const { code, err } = await run(args);
    expect(code).toBe(1);
    expect(err).toMatch(/^denied-import .*example\.com/);
    expect(err).toMatch(/denied +wasi:http\/outgoing-handler#handle +GET https:\/\/example\.com/);
  });
});
