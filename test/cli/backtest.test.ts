/** `writ policy backtest`: past runs under other policies, from their manifests and, where there are, their journals. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { builtTool, cli, makeFolder, policyText, type TestFolder } from "./support.ts";

let folder: TestFolder;
let data: string;
let server: Server;
let port: number;

function weatherPolicy(changes: Readonly<Record<string, string>> = {}): string {
  return policyText({
    tool_id: "weather",
    purpose: "[testing, trying]",
    functions: '{ "weather/forecast-from": { operation: read } }',
    budget:
      "{ fuel: 2e8, memory_bytes: 64MiB, egress_bytes: 1MiB, requests: 5, output_bytes: 64KiB, log_bytes: 4KiB }",
    network_allowlist: rules(),
    evidence: "{ journal: full }",
    ...changes,
  });
}

function rules(changes = ""): string {
  return `[{ host: 127.0.0.1, scheme: http, port: ${port}, methods: [GET], paths: ["/v1/forecast"]${changes} }]`;
}

async function makeRun(policy: string, purpose: string, path = "/v1/forecast"): Promise<string> {
  const input = { url: `http://127.0.0.1:${port}${path}`, place: { latitude: 1, longitude: 2 } };
  const file = await folder.put("then.yaml", policy);
  const args = ["run", builtTool("weather"), "forecast-from", "--input", JSON.stringify(input), "--json"];
  const more = ["--policy", file, "--purpose", purpose, "--data", data, "--allow-address", "127.0.0.1/32"];
  const { out, err } = await cli([...args, ...more]);
  if (out === "") throw new Error(err);
  return JSON.parse(out).run;
}

async function backtest(policy: string, ...flags: readonly string[]) {
  const file = await folder.put("new.yaml", policy);
  const ended = await cli(["policy", "backtest", "--policy", file, "--data", data, ...flags]);
  if (ended.code === 2) throw new Error(ended.err);
  return ended;
}

async function verdicts(policy: string, ...flags: readonly string[]) {
  const { out } = await backtest(policy, "--json", ...flags);
  const rows: { run: string; verdict: string; clause?: string; would: string | null; by: string }[] =
    JSON.parse(out).runs;
  return new Map(rows.map((row) => [row.run, row]));
}

let good: string;
let tried: string;
let denied: string;
let plain: string;

beforeAll(async () => {
  folder = await makeFolder();
  data = join(folder.path, "data");
  server = createServer((_, response) => {
    response.setHeader("content-type", "application/json");
    response.end('{"temperature_c":1.5,"summary":"clear"}');
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  port = (server.address() as AddressInfo).port; // A TCP server has one.
  good = await makeRun(weatherPolicy(), "testing");
  tried = await makeRun(weatherPolicy(), "trying");
  denied = await makeRun(weatherPolicy(), "testing", "/v2/secret");
  plain = await makeRun(weatherPolicy({ evidence: "{ keep: [input] }" }), "testing");
  // From here on there is no service: what runs again has the journals alone.
  await new Promise((resolve) => server.close(resolve));
});
afterAll(async () => {
  server?.close();
  await folder?.remove();
});

describe("writ policy backtest", () => {
  it("finds nothing where nothing changes, and runs journals again to know it", async () => {
    const found = await verdicts(weatherPolicy());
    expect(found.get(good)).toMatchObject({ verdict: "same", by: "journal", would: "completed" });
    expect(found.get(denied)).toMatchObject({ verdict: "same", by: "journal", would: "denied-import" });
    expect(found.get(plain)).toMatchObject({ verdict: "same", by: "manifest", would: null });
    expect((await backtest(weatherPolicy(), "--fail-on-new-denials", "--no-execute")).code).toBe(0);
  });

  const changes: readonly {
    readonly what: string;
    readonly policy: () => string;
    readonly run: () => string;
    readonly found: object;
  }[] = [
    {
      what: "a purpose that is gone",
      policy: () => weatherPolicy({ purpose: "[testing]" }),
      run: () => tried,
      found: { verdict: "denied", clause: "purpose" },
    },
    {
      what: "a tier that is gone",
      policy: () => weatherPolicy({ tenant_tier: "[pro]" }),
      run: () => good,
      found: { verdict: "denied", clause: "tenant_tier" },
    },
    {
      what: "a path that is gone, and what the guest makes of it",
      policy: () => weatherPolicy({ network_allowlist: rules().replace("/v1/forecast", "/v2/forecast") }),
      run: () => good,
      found: {
        verdict: "request-denied",
        clause: "network_allowlist[0].paths",
        would: "denied-import",
        by: "journal",
      },
    },
    {
      what: "a path that is gone, from the manifest alone",
      policy: () => weatherPolicy({ network_allowlist: "[]" }),
      run: () => plain,
      found: { verdict: "request-denied", clause: "network_allowlist", would: null, by: "manifest" },
    },
    {
      what: "less fuel than it used",
      policy: () => weatherPolicy().replace("fuel: 2e8", "fuel: 900000"),
      run: () => good,
      found: { verdict: "exhausted", clause: "budget.fuel", would: "exhausted" },
    },
    {
      what: "a request that would be allowed: nobody knows what comes back",
      policy: () => weatherPolicy({ network_allowlist: rules().replace('"/v1/forecast"', '"/*"') }),
      run: () => denied,
      found: { verdict: "unknown", would: null, by: "journal" },
    },
    {
      what: "evidence that the request does not have",
      policy: () => weatherPolicy({ required_observability_fields: "[task]" }),
      run: () => good,
      found: { verdict: "refused", clause: "required_observability_fields" },
    },
  ];
  for (const { what, policy, run, found } of changes)
    it(`finds ${what}`, async () => {
      // Only where a journal has something to add is one run again.
      const flags = "would" in found && found.would !== null ? [] : ["--no-execute"];
      const rows = await verdicts(policy(), ...("by" in found && found.by === "journal" ? [] : flags));
      expect(rows.get(run())).toMatchObject(found);
    });

  it("ends with 1 when asked to, and says who loses what", async () => {
    const { code, out } = await backtest(
      weatherPolicy({ purpose: "[testing]" }),
      "--fail-on-new-denials",
      "--no-execute",
    );
    expect(code).toBe(1);
    expect(out).toContain("denied by purpose: 1 run");
    expect(out).toContain(`${tried}  weather weather/forecast-from  local`);
    expect(out).toMatch(/1 run would lose something; 3 as before/);
  });

  it("runs nothing when it is not to", async () => {
    const found = await verdicts(weatherPolicy(), "--no-execute");
    expect([...found.values()].map(({ by }) => by)).toEqual(Array(4).fill("manifest"));
  });

  it("leaves out what no new policy is for, what is older, and other tools", async () => {
    expect((await verdicts(weatherPolicy({ tool_id: "hash" }))).size).toBe(0);
    expect((await verdicts(weatherPolicy(), "--tool", "hash")).size).toBe(0);
    await expect(backtest(weatherPolicy(), "--since", "yesterday")).rejects.toThrow("wanted 1m to 3650d");
  });
});
