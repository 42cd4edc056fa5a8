import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { canonicalJson, sha256Hex } from "../../../src/core/digest.ts";
import { PolicyError, policyId, policySchema, readPolicy } from "../../../src/core/policy/index.ts";

const LINES = [
  "tool_id: weather",
  "tenant_tier: [free, pro]",
  "purpose: [support-chat]",
  "functions: { weather/forecast: { operation: read } }",
  "network_allowlist:",
  "  - { host: api.example.com, scheme: https, port: 443, methods: [GET], paths: [/v1/forecast] }",
  "max_duration_ms: 2000",
  "budget: { fuel: 2e8, memory_bytes: 64MiB, egress_bytes: 1MB, requests: 5, output_bytes: 256KiB, log_bytes: 65536 }",
  "isolation_minimum: process",
  'fallback: { kind: static, value: { forecast: "unavailable" } }',
];
const YAML = LINES.join("\n");

function faultsOf(text: string): readonly string[] {
  try {
    readPolicy(text, "p.yaml");
  } catch (error) {
    if (error instanceof PolicyError)
      return error.message
        .split("\n")
        .slice(1)
        .map((line) => line.trim());
    throw error;
  }
  return [];
}

const REFUSED: readonly (readonly [why: string, from: string, to: string, fault: string | RegExp])[] = [
  [
    "an unknown key",
    "tool_id: weather",
    "tool_id: weather\nowner: me",
    /^p.yaml:2:1 \/owner unknown key "owner", wanted one of tool_id/,
  ],
  [
    "a misspelt key, with the right one",
    "max_duration_ms",
    "max_duration_m",
    'p.yaml:7:1 /max_duration_m unknown key "max_duration_m", did you mean "max_duration_ms"',
  ],
  [
    "a misspelt budget, with the right one",
    "egress_bytes",
    "egres_bytes",
    /^p.yaml:8:43 \/budget\/egres_bytes unknown key "egres_bytes", did you mean "egress_bytes"/,
  ],
  ["an unknown key in a rule", "port: 443", "ports: 443", /unknown key "ports", did you mean "port"/],
  [
    "a duplicate key",
    "tool_id: weather",
    "tool_id: weather\ntool_id: text",
    'p.yaml:2:1 /tool_id duplicate key "tool_id", wanted it once',
  ],
  [
    "a duplicate key far inside",
    "kind: static",
    "kind: static, kind: static",
    /^p.yaml:10:27 \/fallback\/kind duplicate key/,
  ],
  [
    "a duplicate function",
    "functions: {",
    "functions: { weather/forecast: { operation: write },",
    /^p.yaml:4:54 \/functions\/weather~1forecast duplicate/,
  ],
  [
    "an anchor",
    "tool_id: weather",
    "tool_id: &a weather",
    /^p.yaml:1:13 \/tool_id a YAML anchor is not read/,
  ],
  ["an alias", "tool_id: weather", "tool_id: *a", /a YAML alias is not read/],
  ["a merge key", "tool_id: weather", "tool_id: weather\n<<: { a: 1 }", /a YAML merge key is not read/],
  ["a tag", "tool_id: weather", "tool_id: !!str weather", /a YAML tag is not read/],
  [
    "a directive",
    "tool_id: weather",
    "%YAML 1.1\n---\ntool_id: weather",
    /^p.yaml:1:1 a YAML directive is not read/,
  ],
  [
    "a second document",
    "max_duration_ms: 2000",
    "---\nmax_duration_ms: 2000",
    /another document begins here/,
  ],
  ["the key __proto__", "kind: static", "kind: static, __proto__: 1", /key "__proto__" is not read/],
  [
    "a lone surrogate",
    '"unavailable"',
    '"\\ud800"',
    /^p.yaml:10:46 \/fallback\/value\/forecast text holds a lone surrogate/,
  ],
  ["an infinite number", '"unavailable"', ".inf", /number is not finite/],
  [
    "a retry budget without a ratio",
    "tool_id: weather",
    "tool_id: weather\nretry_budget: { min_per_second: 1 }",
    "p.yaml:2:15 /retry_budget/ratio missing, wanted a number from 0 to 10",
  ],
  [
    "a retry budget of an unknown number",
    "tool_id: weather",
    "tool_id: weather\nretry_budget: { ratio: 0.2, min_per_secnd: 1 }",
    /unknown key "min_per_secnd", did you mean "min_per_second"/,
  ],
  [
    "fallback last-good without an age",
    '{ kind: static, value: { forecast: "unavailable" } }',
    "{ kind: last-good }",
    "p.yaml:10:11 /fallback/max_age_seconds missing, wanted an integer from 1 to 2678400",
  ],
  [
    "a loop cap that nothing can be under",
    "tool_id: weather",
    "tool_id: weather\nloop_cap: { confidence_below: 0, runs: 3, backoff_seconds: 10 }",
    /loop_cap\/confidence_below found 0, wanted a number above 0, at most 1/,
  ],
  [
    "a window without a limit",
    "tool_id: weather",
    "tool_id: weather\nwindows: [{ per: 1h }]",
    /\/windows\/0 found .*, wanted a mapping of per and at least one of/,
  ],
  [
    "a window with no room for one run",
    "tool_id: weather",
    "tool_id: weather\nwindows: [{ per: 1h, fuel: 1 }]",
    /\/windows\/0\/fuel found 1, wanted at least what one run may take/,
  ],
  [
    "two windows of one length and class",
    "tool_id: weather",
    "tool_id: weather\nwindows: [{ per: 1h, runs: 1 }, { per: 60m, class: exploratory, runs: 2 }]",
    /for each length at most one window of each class/,
  ],
  [
    "a window of no length",
    "tool_id: weather",
    "tool_id: weather\nwindows: [{ per: 40d, runs: 1 }]",
    /\/windows\/0\/per found "40d", wanted a span from 1 second to 31 days/,
  ],
  [
    "a static fallback without a value",
    ', value: { forecast: "unavailable" }',
    "",
    /\/fallback\/value missing, wanted a JSON value/,
  ],
  [
    "a missing field",
    "max_duration_ms: 2000",
    "",
    /\/max_duration_ms missing, wanted an integer from 1 to 600000/,
  ],
  [
    "a duration of zero",
    "2000",
    "0",
    "p.yaml:7:18 /max_duration_ms found 0, wanted an integer from 1 to 600000",
  ],
  ["a duration over ten minutes", "2000", "600001", /found 600001, wanted an integer from 1 to 600000/],
  ["a fraction of a millisecond", "2000", "1.5", /found 1.5, wanted an integer/],
  ["fuel as text", "2e8", '"2e8"', /\/budget\/fuel found "2e8", wanted an integer/],
  ["fuel past 2^53", "2e8", "9007199254740993", /\/budget\/fuel found 9007199254740992, wanted an integer/],
  [
    "a size with a space",
    "64MiB",
    '"64 MiB"',
    /\/budget\/memory_bytes found "64 MiB", wanted bytes from 65536/,
  ],
  ["a size below one page of memory", "64MiB", "1B", /found "1B", wanted bytes from 65536 to 4294967296/],
  ["a size past 2^53", "1MB", "9999999999999999GiB", /\/budget\/egress_bytes found "9999999999999999GiB"/],
  ["a negative size", "1MB", "-1", /\/budget\/egress_bytes found -1/],
  ["no tier at all", "[free, pro]", "[]", /\/tenant_tier found an empty list, wanted at least one tier/],
  ["a tier that is no name", "[free, pro]", "[Free]", /\/tenant_tier\/0 found "Free", wanted a name/],
  [
    "no function at all",
    "{ weather/forecast: { operation: read } }",
    "{}",
    /\/functions found a mapping, wanted at least one function/,
  ],
  [
    "a function key that is no name",
    "weather/forecast:",
    "Weather/*:",
    /^p.yaml:4:14 \/functions\/Weather~1\* found key "Weather\/\*", wanted a key such as/,
  ],
  ["an unknown operation", "operation: read", "operation: delete", /found "delete", wanted read or write/],
  ["CONNECT", "[GET]", "[CONNECT]", /methods\/0 found "CONNECT", wanted one of GET/],
  ["no method", "[GET]", "[]", /methods found an empty list, wanted at least one of GET/],
  [
    "a tool named twice",
    "budget:",
    "tools: [{ tool: a, functions: [x] }, { tool: a, functions: [y] }]\nbudget:",
    /\/tools found .*, wanted each tool once/,
  ],
  [
    "a tool without functions",
    "budget:",
    "tools: [{ tool: a, functions: [] }]\nbudget:",
    /functions found an empty list, wanted at least one function/,
  ],
  [
    "a misspelt key of a tool",
    "budget:",
    "tools: [{ tool: a, function: [x] }]\nbudget:",
    /unknown key "function", did you mean "functions"/,
  ],
  ["port 0", "port: 443", "port: 0", /port found 0, wanted a port from 1 to 65535, a range/],
  ["a port as text", "port: 443", 'port: "443"', /port found "443", wanted a port/],
  ["a range that is none", "port: 443", "port: 9-8", /port found "9-8", wanted a port/],
  [
    "header lists without a list",
    "paths: [/v1/forecast]",
    "paths: [/v1/forecast], request_headers: {}",
    /request_headers found .*, wanted a mapping with allow, strip or both/,
  ],
  [
    "a header in capitals",
    "paths: [/v1/forecast]",
    "paths: [/v1/forecast], response_headers: { strip: [Set-Cookie] }",
    /strip\/0 found "Set-Cookie", wanted the lower-case name/,
  ],
  [
    "a trace context that is nothing we do",
    "paths: [/v1/forecast]",
    "paths: [/v1/forecast], trace_context: inherit",
    /trace_context found "inherit", wanted propagate/,
  ],
  [
    "a trace that both the host and the guest are to speak of",
    "paths: [/v1/forecast]",
    "paths: [/v1/forecast], trace_context: propagate, request_headers: { allow: [tracestate] }",
    /trace_context found "propagate", wanted none where allow names traceparent, tracestate/,
  ],
  [
    "an unknown observability field",
    "isolation_minimum",
    "required_observability_fields: [colour]\nisolation_minimum",
    /\/0 found "colour", wanted one of trace_id/,
  ],
];

describe("readPolicy()", () => {
  it.each(REFUSED)("refuses %s", (_, from, to, fault) => {
    expect(YAML).toContain(from);
    const faults = faultsOf(YAML.replace(from, to));
    expect(faults).toContainEqual(typeof fault === "string" ? fault : expect.stringMatching(fault));
  });

  const hosts = [
    "*",
    "*.",
    "*example.com",
    "a.*.example.com",
    "*.*.example.com",
    "*.Example.com",
    "*.example.com.",
    "*.127.0.0.1",
    "*.0.0.1",
    "*.::1",
    "API.example.com",
    "api.example.com.",
    "user@api.example.com",
    "api.example.com:443",
    "bücher.example",
    "a..b",
    "-a.example",
    "a_b.example",
    "",
    "2130706433",
    "127.1",
    "0x7f.0.0.1",
    "a.0x1",
    "127.0.0.01",
    "256.0.0.1",
    "[::1]",
    "::0001",
    "0:0:0:0:0:0:0:1",
    "::ffff:127.0.0.1",
    "::ffff:7f00:1",
    "fe80::1%eth0",
    "2001:DB8::1",
    `${"a".repeat(64)}.example`,
    "a.".repeat(127),
  ];
  it.each(hosts)("refuses the host %j", (host) => {
    const faults = faultsOf(YAML.replace("host: api.example.com", `host: ${JSON.stringify(host)}`));
    expect(faults).toEqual([
      expect.stringMatching(/^p.yaml:6:13 \/network_allowlist\/0\/host found .*, wanted a host name/),
    ]);
  });

  it.each([
    "localhost",
    "a.example",
    "xn--bcher-kva.example",
    "127.0.0.1",
    "::1",
    "2001:db8::1",
    "3com.example",
    "*.example.com",
    "*.api.example.co.uk",
    "*.corp.internal",
    "*.owner.github.io",
  ])("accepts the host %j", (host) => {
    expect(faultsOf(YAML.replace("host: api.example.com", `host: ${JSON.stringify(host)}`))).toEqual([]);
  });

  it.each(["com", "co.uk", "github.io", "s3.amazonaws.com", "internal", "xn--p1ai", "ck"])(
    "refuses a wildcard below the public suffix %j",
    (suffix) => {
      expect(faultsOf(YAML.replace("host: api.example.com", `host: "*.${suffix}"`))).toEqual([
        expect.stringContaining(`anyone can register names below "${suffix}"`),
      ]);
    },
  );

  const paths = [
    "v1",
    "",
    "/v1?x",
    "/v1#x",
    "/*/x",
    "/v1*",
    "/v1/**",
    "/a//b",
    "/a/../b",
    "/a/./b",
    "/%2e%2e",
    "/a%2Fb",
    "/a%5Cb",
    "/a\\b",
    "/%61",
    "/a%c3%a9",
    "/%C0%AF",
    "/%25%32%65",
    "/a b",
    "/é",
    "/..;x",
    "/%",
  ];
  it.each(paths)("refuses the path %j", (path) => {
    const faults = faultsOf(YAML.replace("/v1/forecast]", `${JSON.stringify(path)}]`));
    expect(faults).toEqual([
      expect.stringMatching(/\/paths\/0 found .*, wanted a path that begins with "\/"/),
    ]);
  });

  it.each(["/", "/*", "/v1/*", "/a%20b", "/a%C3%A9/*", "/v1/"])("accepts the path %j", (path) => {
    expect(faultsOf(YAML.replace("/v1/forecast]", `${JSON.stringify(path)}]`))).toEqual([]);
  });

  it("tells every fault at once, in the order of the file", () => {
    const text = YAML.replace("weather", "Weather")
      .replace("443", "0")
      .replace("2000", "soon")
      .replace("2e8", "0");
    const starts = [
      "p.yaml:1:10 /tool_id",
      "p.yaml:6:",
      "p.yaml:7:18 /max_duration_ms",
      "p.yaml:8:17 /budget/fuel",
    ];
    expect(faultsOf(text).map((line, index) => line.startsWith(starts[index] ?? "?"))).toEqual([
      true,
      true,
      true,
      true,
    ]);
  });

  it("writes the defaults into the policy", () => {
    const text = LINES.filter((line) => !/^(network| {2}- |isolation|fallback)/.test(line)).join("\n");
    const { policy } = readPolicy(text, "p");
    expect(policy).toMatchObject({
      network_allowlist: [],
      isolation_minimum: "process",
      fallback: { kind: "error" },
    });
    expect(policy.required_observability_fields).toEqual([
      "artifact_hash",
      "policy_id",
      "purpose",
      "tenant",
      "trace_id",
    ]);
    expect("secret_profile" in policy).toBe(false);
  });

  it("reads JSON with tabs and escapes, and freezes what it read", () => {
    const { policy } = readPolicy(YAML, "p");
    const json = JSON.stringify({ ...policy, fallback: { kind: "static", value: "😀 \u0001" } }, null, "\t");
    const read = readPolicy(json.replace("😀", "\\ud83d\\ude00").replaceAll("/", "\\/"), "p.json").policy;
    expect(read.fallback).toEqual({ kind: "static", value: "😀 \u0001" });
    expect(read.functions).toEqual(policy.functions);
    for (const value of [
      read,
      read.functions,
      read.network_allowlist[0]?.paths,
      read.budget,
      read.fallback,
    ]) {
      expect(Object.isFrozen(value)).toBe(true);
    }
  });

  const floods = [
    "[",
    "{a: ",
    "- ",
    "? ",
    "a: b: ",
    "&a ",
    "*a ",
    "]",
    "[]",
    "\n",
    "%a\n",
    '"',
    "---\n",
    "\u0000",
    "!",
  ];
  it.each(floods)("answers 256 KiB of %j with a PolicyError, without exhausting stack or time", (part) => {
    const text = part.repeat(Math.floor((256 * 1024) / part.length));
    const before = performance.now();
    const faults = faultsOf(text).length;
    expect(faults).toBeGreaterThan(0);
    expect(faults).toBeLessThanOrEqual(100);
    expect(performance.now() - before).toBeLessThan(20_000);
  });

  it("reads a value 50 levels deep and refuses one 65 levels deep", () => {
    const nested = (depth: number) => YAML.replace('"unavailable"', "[".repeat(depth) + "]".repeat(depth));
    expect(faultsOf(nested(50))).toEqual([]);
    const fault = expect.stringMatching(/^p.yaml:10:[0-9]+ document is nested more than 64 levels deep$/);
    expect(faultsOf(nested(65))).toEqual([fault]);
  });

  it("refuses text over 256 KiB unread", () => {
    expect(faultsOf("#".repeat(256 * 1024 + 1))).toEqual([
      expect.stringMatching(/^p.yaml:1:1 document is 262145 characters/),
    ]);
  });

  it("writes each fault on one line, whatever a key holds", () => {
    const faults = faultsOf("\ud800---\n\ntool_id: weather");
    expect(faults.length).toBeGreaterThan(1);
    for (const line of faults) expect(line).toMatch(/^p\.yaml:1:1 /);
  });

  it("throws only PolicyError, whatever the text", () => {
    const piece = fc.oneof(
      fc.constantFrom(
        ...LINES,
        "\n",
        "  ",
        "- ",
        ": ",
        "{",
        "}",
        "[",
        "]",
        "&a",
        "*a",
        "!!x ",
        "---\n",
        "|\n",
        ">",
        '"',
        "'",
        "#",
        "\t",
        "\ud800",
        "<<: ",
        "__proto__: ",
        "? ",
        "%YAML",
      ),
      fc.string({ unit: "binary", maxLength: 8 }),
    );
    const broken = fc.array(piece, { maxLength: 20 }).map((pieces) => pieces.join(""));
    const cut = fc
      .tuple(fc.nat(YAML.length), fc.nat(20), broken)
      .map(([at, drop, put]) => YAML.slice(0, at) + put + YAML.slice(at + drop));
    fc.assert(
      fc.property(fc.oneof(broken, cut, fc.json(), fc.string({ unit: "binary" })), (text) => {
        for (const line of faultsOf(text)) expect(line).toMatch(/^p\.yaml:[1-9][0-9]*:[1-9][0-9]* /);
      }),
      { numRuns: 3000 },
    );
  });
});

describe("policyId()", () => {
  const { policyId: id, policy } = readPolicy(YAML, "a");

  it("is the sha256 of the policy's canonical JSON, so that anyone can recompute it", () => {
    expect(id).toBe(`sha256:${sha256Hex(canonicalJson(JSON.parse(JSON.stringify(policy))))}`);
    expect(policyId(policy)).toBe(id);
    expect(readPolicy(JSON.stringify(policy), "b").policyId).toBe(id);
  });

  const same = [
    ["64MiB", "67108864"],
    ["1MB", "1000000"],
    ["2e8", "200000000"],
    ["[free, pro]", "[pro, free, pro]"],
    ["isolation_minimum: process\n", ""],
    ["tool_id: weather", "# a comment\ntool_id: 'weather'"],
  ] as const;
  it.each(same)("is the same for %j and %j", (from, to) => {
    expect(YAML).toContain(from);
    expect(readPolicy(YAML.replace(from, to), "b").policyId).toBe(id);
  });

  const other = [
    ["64MiB", "64MB"],
    ["read", "write"],
    ["[GET]", "[GET, HEAD]"],
    ["2000", "2001"],
    ["unavailable", "Unavailable"],
    ["free, pro", "free"],
  ] as const;
  it.each(other)("is another when %j becomes %j", (from, to) => {
    expect(readPolicy(YAML.replace(from, to), "b").policyId).not.toBe(id);
  });
});

describe("policySchema()", () => {
  it("publishes every field with a description and refuses unknown ones", () => {
    const schema = JSON.parse(JSON.stringify(policySchema()));
    expect(schema).toMatchObject({
      type: "object",
      additionalProperties: false,
      $schema: expect.stringContaining("2020-12"),
    });
    expect(schema.required).toEqual([
      "tool_id",
      "tenant_tier",
      "purpose",
      "functions",
      "max_duration_ms",
      "budget",
    ]);
    for (const field of Object.values(schema.properties)) expect(field).toHaveProperty("description");
    expect(schema.properties.network_allowlist.default).toEqual([]);
    expect(schema.properties.required_observability_fields.default).toContain("trace_id");
    for (const clause of ["windows", "retry_budget", "loop_cap"])
      expect(schema.properties).toHaveProperty(clause);
  });
});
