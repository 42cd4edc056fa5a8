/** Secret profiles: broken and careless files first. */
import { describe, expect, it } from "vitest";
import { runtime } from "#runtime";
import {
  loadProfiles,
  ProfileError,
  parseProfiles,
  resolveProfiles,
  rotations,
  Secret,
  type SecretProfile,
} from "../../src/broker/index.ts";
import type { Files } from "../../src/ports/index.ts";

const GOOD = `# what the weather tool sends
weather-api:
  secret: { env: WEATHER_API_KEY }
  audience: ["http://127.0.0.1:8788", "https://API.example.com"]
  inject: { header: X-Api-Key }
  allow_addresses: ["127.0.0.1/32"]
`;

/** Text put in place of a line of GOOD, the line at fault, and what the message says. */
const BROKEN: readonly (readonly [string, string, number, string])[] = [
  ["weather-api:", "Weather API:", 2, "wanted a profile name"],
  ["  secret:", "  sekret:", 2, "sekret"],
  ["{ env: WEATHER_API_KEY }", "{ env: '' }", 3, "weather-api.secret"],
  ["{ env: WEATHER_API_KEY }", "{ env: A, value: hunter2 }", 3, "weather-api.secret"],
  ["{ env: WEATHER_API_KEY }", "hunter2", 3, "weather-api.secret"],
  ["{ env: WEATHER_API_KEY }", "&x { env: A }", 1, "anchors"],
  ["{ env: WEATHER_API_KEY }", "!secret hunter2", 3, "not valid YAML"],
  ['["http://127.0.0.1:8788", "https://API.example.com"]', "[]", 4, "weather-api.audience"],
  ['"https://API.example.com"', '"https://api.example.com/path"', 4, "weather-api.audience.1"],
  ['"https://API.example.com"', '"https://*.example.com"', 4, "wanted an origin"],
  ['"https://API.example.com"', '"https://user:hunter2@example.com"', 4, "wanted an origin"],
  ['"https://API.example.com"', '"https://2130706433"', 4, "wanted an origin"],
  ["X-Api-Key", "Host", 5, "framing"],
  ["X-Api-Key", "connection", 5, "framing"],
  ["X-Api-Key", '"x y"', 5, "framing"],
  ["X-Api-Key }", 'X-Api-Key, template: "Bearer" }', 5, "exactly one {secret}"],
  ["X-Api-Key }", 'X-Api-Key, template: "{secret}{secret}" }', 5, "exactly one {secret}"],
  ["X-Api-Key }", 'X-Api-Key, template: "a\\n{secret}" }', 5, "inject.template"],
  ["127.0.0.1/32", "127.0.0.1", 6, "CIDR"],
  ["  allow_addresses:", "  audience: [x]\n  allow_addresses:", 6, "not valid YAML"],
  [GOOD, "- a\n- b\n", 1, "wanted a map"],
  [GOOD, "{", 1, "not valid YAML"],
  [GOOD, "hunter2: [", 1, "not valid YAML"],
];

describe("parseProfiles()", () => {
  it.each(BROKEN)("refuses %j replaced by %j, naming line and reason", (from, to, line, reason) => {
    let message = "";
    try {
      parseProfiles(
        GOOD.replace(from, () => to),
        "profiles.yaml",
      );
    } catch (error) {
      expect(error).toBeInstanceOf(ProfileError);
      message = error instanceof Error ? error.message : "";
    }
    expect(message).toContain(`profiles.yaml:${line}: `);
    expect(message).toContain(reason);
    expect(message).not.toMatch(/hunter2(?!: \[)/);
  });

  it("reads a profile, and an empty file", () => {
    expect(parseProfiles("", "p").size).toBe(0);
    expect(parseProfiles(GOOD, "p").get("weather-api")).toMatchObject({
      secret: { env: "WEATHER_API_KEY" },
      audience: [
        { scheme: "http", host: "127.0.0.1", port: 8788 },
        { scheme: "https", host: "api.example.com", port: 443 },
      ],
      inject: { header: "x-api-key", template: "{secret}" },
    });
  });
});

const parse = (secret: string) =>
  parseProfiles(
    GOOD.replace("{ env: WEATHER_API_KEY }", () => secret),
    "p",
  );

describe("resolveProfiles()", () => {
  it("takes a secret from the environment, from a file, and as it stands", async () => {
    const env = (name: string) => (name === "WEATHER_API_KEY" ? "from env" : undefined);
    const files = fakeFiles({ "/run/key": ["from file\n", 0o600] });
    for (const [secret, wanted] of [
      ["{ env: WEATHER_API_KEY }", "from env"],
      ["{ file: /run/key }", "from file"],
      ["{ value: inline }", "inline"],
    ] as const) {
      const profile = (await resolveProfiles(parse(secret), { env, files })).get("weather-api");
      expect(profile?.secret.reveal()).toBe(wanted);
      expect(JSON.stringify(profile)).not.toContain(wanted);
    }
  });

  it.each([
    ["{ env: ABSENT }", 'variable "ABSENT" is not set'],
    ["{ file: /absent }", 'there is no file "/absent"'],
    ["{ file: /shared }", 'file "/shared" is open to group or others'],
    ["{ file: /group }", 'file "/group" is open to group or others'],
    ["{ file: /empty }", "wanted visible ASCII on one line"],
    ["{ file: /lines }", "wanted visible ASCII on one line"],
    ['{ value: "a\\r\\nEvil: 1" }', "wanted visible ASCII on one line"],
    ['{ value: "é" }', "wanted visible ASCII on one line"],
    ['{ value: " " }', "wanted visible ASCII on one line"],
  ])("refuses %s: %s", async (secret, reason) => {
    const files = fakeFiles({
      "/shared": ["x", 0o644],
      "/group": ["x", 0o640],
      "/empty": ["", 0o600],
      "/lines": ["a\nb\n", 0o600],
    });
    await expect(resolveProfiles(parse(secret), { env: () => undefined, files })).rejects.toThrow(reason);
  });
});

describe("a file of a profile that is not absolute", () => {
  it("begins in the folder of the profiles file, wherever the gateway was started", async () => {
    const files = fakeFiles({ "/etc/writ/keys/weather": ["from file\n", 0o600] });
    const options = { env: () => undefined, files, source: "/etc/writ/profiles.yaml" };
    const resolved = await resolveProfiles(parse("{ file: keys/weather }"), options);
    expect(resolved.get("weather-api")?.secret.reveal()).toBe("from file");
    await expect(resolveProfiles(parse("{ file: weather }"), options)).rejects.toThrow(
      'weather-api.secret: there is no file "/etc/writ/weather"',
    );
  });
});

describe("rotations()", () => {
  const parts = { audience: [], header: "", template: "", open: [], name: "a" };
  const profile = (more: Partial<SecretProfile>) =>
    new Map<string, SecretProfile>([["a", { ...parts, secret: new Secret("one"), ...more }]]);
  const tls = (certificate: string, key: string) => ({ client: { certificate, key: new Secret(key) } });

  it.each<[string, Partial<SecretProfile>, Partial<SecretProfile>, readonly string[]]>([
    ["nothing", {}, {}, []],
    ["a secret", {}, { secret: new Secret("two") }, ["profiles.a: has another secret"]],
    ["a key", { keyDigest: "1" }, { keyDigest: "2" }, ["profiles.a: has another secret"]],
    [
      "a certificate",
      { tls: tls("1", "k") },
      { tls: tls("2", "k") },
      ["profiles.a: has another client certificate"],
    ],
    [
      "its key",
      { tls: tls("1", "k") },
      { tls: tls("1", "l") },
      ["profiles.a: has another client certificate"],
    ],
    ["the same certificate", { tls: tls("1", "k") }, { tls: tls("1", "k") }, []],
  ])("tells of %s that changed", (_, before, after, wanted) => {
    expect(rotations(profile(before), profile(after))).toEqual(wanted);
  });

  it("tells nothing of a profile that is new, or gone: other words say so", () => {
    expect(rotations(new Map(), profile({}))).toEqual([]);
    expect(rotations(profile({}), new Map())).toEqual([]);
  });
});

describe("resolveProfiles() with a command", () => {
  const options = { env: () => undefined, files: fakeFiles({}) };

  it("takes what a program says, without a shell", async () => {
    const profiles = parse('{ command: [echo, "a $(b) c"] }');
    const resolved = await resolveProfiles(profiles, { ...options, runCommand: runtime.runCommand });
    expect(resolved.get("weather-api")?.secret.reveal()).toBe("a $(b) c");
  });

  it.each(['["false"]', '["/absent/program"]', '[sh, -c, "echo hidden >&2; exit 3"]'])(
    "refuses %s without quoting what it said",
    async (command) => {
      const resolved = resolveProfiles(parse(`{ command: ${command} }`), {
        ...options,
        runCommand: runtime.runCommand,
      });
      await expect(resolved).rejects.toThrow(/command ".*" failed/);
      await expect(resolved).rejects.not.toThrow(/hidden/);
    },
  );

  it("refuses a command where none is run", async () => {
    await expect(resolveProfiles(parse("{ command: [echo, x] }"), options)).rejects.toThrow(/not run here/);
  });
});

describe("loadProfiles()", () => {
  const inline = GOOD.replace("{ env: WEATHER_API_KEY }", "{ value: inline }");
  const env = () => "from env";

  it("takes no file for no profiles", async () => {
    expect((await loadProfiles("absent.yaml", { env, files: fakeFiles({}) })).size).toBe(0);
  });

  it("refuses a shared file that holds a secret, and takes one that does not", async () => {
    const files = fakeFiles({
      "a.yaml": [inline, 0o644],
      "b.yaml": [inline, 0o600],
      "c.yaml": [GOOD, 0o644],
    });
    await expect(loadProfiles("a.yaml", { env, files })).rejects.toThrow("a.yaml:1: it holds a secret");
    expect((await loadProfiles("b.yaml", { env, files })).get("weather-api")?.secret.reveal()).toBe("inline");
    expect((await loadProfiles("c.yaml", { env, files })).get("weather-api")?.secret.reveal()).toBe(
      "from env",
    );
  });
});

function fakeFiles(table: Record<string, readonly [string, number]>): Files {
  return {
    read: async (path) => (table[path] === undefined ? undefined : new TextEncoder().encode(table[path][0])),
    mode: async (path) => table[path]?.[1],
    stamp: async (path) => table[path]?.[0],
    list: async () => [],
    write: async () => {},
    create: async () => false,
    remove: async () => {},
  };
}
