/** The secret goes to its audience, and to nobody and nowhere else. */
import { afterEach, describe, expect, it } from "vitest";
import { runtime } from "#runtime";
import { parseBlock } from "../../src/broker/egress/index.ts";
import { parseProfiles, resolveProfiles, Secret } from "../../src/broker/index.ts";
import {
  call,
  closeListeners,
  get,
  listenTcp,
  openRun,
  profileFor,
  readAll,
  rule,
  send,
  sendOk,
} from "./support.ts";

afterEach(closeListeners);

const OK = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const SECRET = "s3cr3t-value";

async function listenOk(answer = OK) {
  return listenTcp((socket) => socket.on("data", () => socket.end(answer)));
}

describe("injection of a secret", () => {
  it.each([
    ["bearer: true", /^authorization: Bearer s3cr3t-value\r$/m, /^GET \/\?q=1 /],
    ["basic: ada", new RegExp(`^authorization: Basic ${btoa("ada:s3cr3t-value")}\r$`, "m"), /^GET \/\?q=1 /],
    ["query: key", /^accept: x\r$/m, /^GET \/\?q=1&key=s3cr3t-value /],
  ])("goes along as %s, and the guest's own of that name does not", async (inject, header, line) => {
    const server = await listenOk();
    const yaml = `api:
  secret: { env: KEY }
  audience: ["http://api.test:${server.port}"]
  inject: { ${inject} }
  allow_addresses: ["127.0.0.1/32"]
`;
    const profiles = await resolveProfiles(parseProfiles(yaml, "p.yaml"), {
      env: () => SECRET,
      files: runtime.files,
    });
    const profile = profiles.get("api");
    if (profile === undefined) throw new TypeError("wanted the profile");
    const { host } = openRun({ rules: [rule("api.test", server.port)], profile });
    const headers = [
      ["accept", "x"],
      ["Authorization", "guest's own"],
    ];
    const own = inject.startsWith("query") ? "/?key=mine&q=1&k%65y=mine" : "/?q=1";
    await sendOk(host, get(server.port, { headers, pathWithQuery: own }));
    expect(server.received()).toMatch(header);
    expect(server.received()).toMatch(line);
    expect(server.received()).not.toContain("mine");
    expect(JSON.stringify(host.events)).not.toMatch(/s3cr3t|czNjcjN0/);
  });

  it("reaches an exact origin of its audience, in place of what the guest said", async () => {
    const server = await listenOk();
    const { host } = openRun({ rules: [rule("api.test", server.port)], profile: profileFor(server.port) });
    const headers = [
      ["X-Api-Key", "guest's own"],
      ["x-api-key", "again"],
    ];
    const { body } = await sendOk(host, get(server.port, { headers, pathWithQuery: "/?q=1" }));
    await readAll(host, body);
    expect(server.received().match(/x-api-key: .*/gi)).toEqual([`x-api-key: ${SECRET}`]);
    expect(host.events).toMatchObject([
      { clause: "network_allowlist[0]; secret_profile weather-api as x-api-key, in place of the guest's" },
    ]);
    expect(JSON.stringify([host.events, host.diagnostics, host.denial])).not.toContain(SECRET);
  });

  it("fills the template", async () => {
    const server = await listenOk();
    const profile = profileFor(server.port, {
      header: "authorization",
      template: "Bearer {secret}",
      // A replacement pattern in the secret is text like any other.
      secret: new Secret("a$&b$'"),
    });
    const { host } = openRun({ rules: [rule("api.test", server.port)], profile });
    await sendOk(host, get(server.port));
    expect(server.received()).toContain("authorization: Bearer a$&b$'\r\n");
  });

  it("never reaches another host, port or scheme, though the rules permit the request", async () => {
    const [audience, otherPort] = [await listenOk(), await listenOk()];
    const { host } = openRun({
      rules: [
        rule("other.test", audience.port),
        rule("api.test", otherPort.port),
        rule("127.0.0.1", audience.port),
        rule("api.test", audience.port, { scheme: "https" }),
      ],
      hosts: { "api.test": ["127.0.0.1"], "other.test": ["127.0.0.1"] },
      profile: profileFor(audience.port),
    });
    for (const authority of [
      `other.test:${audience.port}`,
      `127.0.0.1:${audience.port}`,
      `api.test:${otherPort.port}`,
    ]) {
      const { status } = await sendOk(host, get(0, { authority }));
      expect(status, authority).toBe(200);
    }
    expect(await send(host, get(audience.port, { scheme: "https" }))).toMatchObject({ kind: "error" });
    expect(audience.connects()).toBe(3);
    expect(otherPort.connects()).toBe(1);
    expect(audience.received() + otherPort.received()).not.toContain(SECRET);
  });

  it("does not happen for a profile that the grant does not name", async () => {
    const server = await listenOk();
    const { host } = openRun({
      grants: [{ kind: "http-client", rules: [rule("api.test", server.port)] }],
      profile: profileFor(server.port),
    });
    await sendOk(host, get(server.port));
    expect(server.received()).not.toContain(SECRET);
  });

  it("keeps response headers that echo the secret from the guest, wherever they come from", async () => {
    const server = await listenOk(
      `HTTP/1.1 200 OK\r\nx-echo: key=${SECRET};\r\nx-other: fine\r\ncontent-length: 0\r\n\r\n`,
    );
    for (const audience of [server.port, server.port + 1]) {
      const { host } = openRun({ rules: [rule("api.test", server.port)], profile: profileFor(audience) });
      const { headers } = await sendOk(host, get(server.port));
      expect(headers).toEqual([
        ["x-other", "fine"],
        ["content-length", "0"],
      ]);
    }
  });

  it("opens the profile's addresses for its audience only", async () => {
    const server = await listenOk();
    const { host } = openRun({
      rules: [rule("api.test", server.port), rule("other.test", server.port)],
      hosts: { "api.test": ["127.0.0.1"], "other.test": ["127.0.0.1"] },
      allow: [],
      profile: profileFor(server.port, { open: [parseBlock("127.0.0.1/32")] }),
    });
    expect(await send(host, get(server.port))).toMatchObject({ kind: "ok" });
    expect(await send(host, get(server.port, { authority: `other.test:${server.port}` }))).toEqual({
      kind: "error",
      error: { tag: "destination-IP-prohibited" },
    });
    expect(server.connects()).toBe(1);
  });
});

describe("secrets/open", () => {
  const profile = profileFor(8788);

  it("gives name and audience, never the value", async () => {
    const { host } = openRun({ grants: [{ kind: "secrets", profile: "weather-api" }], profile });
    const reply = await call(host, "secrets/open", { name: "weather-api" });
    expect(reply).toEqual({ kind: "ok", value: { name: "weather-api", audience: ["http://api.test:8788"] } });
    expect(host.events).toMatchObject([
      { import: "writ:host/secrets#get", effect: "allowed", target: "weather-api" },
    ]);
  });

  it("tells an unknown name from a run without secrets", async () => {
    const { host } = openRun({ grants: [{ kind: "secrets", profile: "weather-api" }], profile });
    expect(await call(host, "secrets/open", { name: "other" })).toEqual({
      kind: "error",
      error: { tag: "unknown" },
    });
    const { host: bare } = openRun({ grants: [], profile });
    for (const name of ["weather-api", "other", "\u001b[31m\ud800"]) {
      expect(await call(bare, "secrets/open", { name })).toEqual({
        kind: "error",
        error: { tag: "not-granted" },
      });
    }
    expect(bare.events.map(({ effect }) => effect)).toEqual(["denied", "denied", "denied"]);
    expect(bare.events.at(-1)?.target).toBe("%1B[31m%EF%BF%BD");
  });

  it("refuses to open a run whose profile nobody keeps", () => {
    expect(() => openRun({ grants: [{ kind: "secrets", profile: "absent" }] })).toThrow(
      'secret profile "absent" is not among the operator\'s profiles',
    );
  });
});

describe("Secret", () => {
  it("shows itself to nobody who does not ask", () => {
    const secret = new Secret(SECRET);
    expect([`${secret}`, JSON.stringify({ secret }), String(secret)]).toEqual([
      "[secret]",
      '{"secret":"[secret]"}',
      "[secret]",
    ]);
    expect(Object.keys(secret)).toEqual([]);
    expect(secret.reveal()).toBe(SECRET);
  });
});
