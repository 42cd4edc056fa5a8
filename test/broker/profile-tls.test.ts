/** A profile's private authority and client certificate: careless files first, then a server that demands them. */
import { mkdtempSync, rmSync } from "node:fs";
import { createServer as createTlsServer } from "node:https";
import { tmpdir } from "node:os";
import { TLSSocket } from "node:tls";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { runtime } from "#runtime";
import {
  createBroker,
  createOutgoing,
  credentialsFor,
  keepFresh,
  loadProfiles,
  ProfileError,
  parseProfiles,
  type SecretProfile,
} from "../../src/broker/index.ts";
import type { OutgoingCredentials, RunHost } from "../../src/ports/index.ts";
import {
  BUDGET,
  clock,
  closeListeners,
  fakeResolver,
  fixture,
  get,
  listen,
  listenHttp,
  readAll,
  rule,
  send,
  sendOk,
} from "./support.ts";

const HOST = "api.example.test";
const TLS = "{ ca: ca.pem, certificate: us.pem, key: us-key.pem }";
let folder: string;
let file: string;

beforeEach(async () => {
  folder = mkdtempSync(`${tmpdir()}/writ-profile-`);
  file = `${folder}/profiles.yaml`;
  await put("ca.pem", fixture("private-ca.pem"));
  await put("us.pem", fixture("private-client-cert.pem"));
  await put("us-key.pem", fixture("private-client-key.pem"), 0o600);
});

afterEach(async () => {
  await closeListeners();
  rmSync(folder, { recursive: true });
});

function put(name: string, text: string, mode = 0o644): Promise<void> {
  return runtime.files.write(`${folder}/${name}`, text, { mode });
}

function profileText(ports: { readonly https: number; readonly http?: number }, tls = TLS): string {
  const audience = [`https://${HOST}:${ports.https}`];
  if (ports.http !== undefined) audience.push(`http://${HOST}:${ports.http}`);
  return `api:
  secret: { env: KEY }
  audience: ${JSON.stringify(audience)}
  inject: { bearer: true }
  allow_addresses: ["127.0.0.1/32"]
  tls: ${tls}
`;
}

function load() {
  return loadProfiles(file, { env: () => "s3cr3t-value", files: runtime.files });
}

/** Opens runs that may send to `ports`; it looks into `profiles` as they are then. */
function open(profiles: Awaited<ReturnType<typeof load>>, ports: readonly number[]): () => RunHost {
  const { resolver } = fakeResolver({ [HOST]: ["127.0.0.1"] });
  const broker = createBroker({
    clock,
    resolver,
    profiles,
    egress: { allowAddresses: ["127.0.0.1/32"] },
  });
  const rules = ports.flatMap((port) => [
    rule(HOST, port, { scheme: "https" }),
    rule(HOST, port, { scheme: "http" }),
  ]);
  return () =>
    broker.openRun({
      grants: [{ kind: "http-client", rules, secretProfile: "api" }],
      budget: BUDGET,
      startedAtMs: Date.now(),
      pool: "acme p1",
    });
}

function ask(port: number, scheme = "https") {
  return get(port, { scheme, authority: `${HOST}:${port}` });
}

async function textOf(host: RunHost, port: number): Promise<string> {
  const { body } = await sendOk(host, ask(port));
  const { chunks } = await readAll(host, body);
  return chunks.map((chunk) => new TextDecoder().decode(chunk)).join("");
}

/** Takes clients of the private authority alone; answers with the name in their certificate. */
async function listenMutual() {
  const server = createTlsServer(
    {
      cert: fixture("private-server-cert.pem"),
      key: fixture("private-server-key.pem"),
      ca: fixture("private-ca.pem"),
      requestCert: true,
      rejectUnauthorized: true,
    },
    ({ socket }, response) =>
      response.end(socket instanceof TLSSocket ? socket.getPeerCertificate().subject.CN : "no TLS"),
  );
  return listen(server, () => "");
}

describe("tls of a profile that can not be kept", () => {
  it.each([
    ["{}", "api.tls: wanted ca, or certificate and key"],
    ["{ certificate: us.pem }", "api.tls: wanted certificate and key together"],
    ["{ ca: ca.pem, key: us-key.pem }", "api.tls: wanted certificate and key together"],
    ["{ ca: '' }", "api.tls.ca: "],
    ["{ ca: ca.pem, verify: false }", "api.tls: "],
  ])("refuses %s when it is read, with the line", (tls, reason) => {
    expect(() => parseProfiles(profileText({ https: 443 }, tls), "p.yaml")).toThrow(`p.yaml:6: ${reason}`);
  });

  it("refuses an audience that no https reaches", () => {
    const text = profileText({ https: 443 }).replace("https:", "http:");
    expect(() => parseProfiles(text, "p.yaml")).toThrow("p.yaml:6: api.tls: wanted an https origin");
  });

  const cut = (name: string) => fixture(name).replace(/\n.{8}(.*\n-----END)/, "\n$1");
  it.each([
    ["ca.pem", undefined, 0o644, 'api.tls.ca: file "{folder}/ca.pem" does not exist'],
    ["ca.pem", "s3cr3t junk", 0o644, "certificates in PEM"],
    ["ca.pem", fixture("private-client-key.pem"), 0o644, "certificates in PEM"],
    ["ca.pem", cut("private-ca.pem"), 0o644, "certificates in PEM"],
    ["us.pem", undefined, 0o644, 'api.tls.certificate: file "{folder}/us.pem" does not exist'],
    ["us.pem", "", 0o644, "certificates in PEM"],
    ["us-key.pem", undefined, 0o600, 'api.tls.key: file "{folder}/us-key.pem" does not exist'],
    ["us-key.pem", fixture("private-client-key.pem"), 0o644, 'us-key.pem" is open to group or others'],
    ["us-key.pem", fixture("private-client-cert.pem"), 0o600, "a private key in PEM (PKCS #8"],
    ["us-key.pem", cut("private-client-key.pem"), 0o600, "a private key in PEM (PKCS #8"],
    [
      "us-key.pem",
      fixture("private-server-key.pem"),
      0o600,
      "api.tls.key: it is not the key of the certificate",
    ],
  ])("refuses a %s that is not one, naming file and reason (%#)", async (name, text, mode, reason) => {
    await runtime.files.write(file, profileText({ https: 443 }));
    expect((await load()).size).toBe(1);
    if (text === undefined) await runtime.files.remove(`${folder}/${name}`);
    else await put(name, text, mode);
    const loaded = load();
    await expect(loaded).rejects.toThrow(ProfileError);
    await expect(loaded).rejects.toThrow(reason.replace("{folder}", folder));
    await expect(loaded).rejects.not.toThrow(/s3cr3t|BEGIN|MIG/);
  });
});

describe("tls of a profile", () => {
  it("serves the gateway's own requests: a webhook to a receiver that demands a certificate", async () => {
    const server = await listenMutual();
    const url = `https://${HOST}:${server.port}/alerts`;
    const { resolver } = fakeResolver({ [HOST]: ["127.0.0.1"] });
    const outgoing = createOutgoing({ clock, resolver });
    const post = (credentials: OutgoingCredentials) =>
      outgoing.post(url, "{}", {
        ...{ timeoutMs: 10_000, maxBytes: 1_000, allowAddresses: ["127.0.0.1/32"], credentials },
      });
    await runtime.files.write(file, profileText({ https: server.port }));
    const given = async () => {
      const profile = (await load()).get("api") ?? expect.fail("there is no profile");
      return credentialsFor(profile, url);
    };
    expect(await post(await given())).toEqual({ status: 200, text: "writ.example.test" });
    // Neither without the certificate, nor to a far end that nobody vouches for.
    const { client: _, ...stranger } = await given();
    await expect(post(stranger)).rejects.toThrow();
    const { authorities: __, ...credulous } = await given();
    await expect(post(credulous)).rejects.toThrow();
  });

  it("reaches a server of a private authority that demands a certificate, and shows the key to nobody", async () => {
    const server = await listenMutual();
    await runtime.files.write(file, profileText({ https: server.port }));
    const profiles = await load();
    const host = open(profiles, [server.port])();
    expect(await textOf(host, server.port)).toBe("writ.example.test");
    expect(host.events).toMatchObject([
      {
        effect: "allowed",
        clause: "network_allowlist[0]; secret_profile api as authorization; client certificate of api",
      },
    ]);
    expect(JSON.stringify([host.events, ...profiles.values()])).not.toContain("PRIVATE KEY");
  });

  it.each([
    ["{ ca: ca.pem }", /^(?!TLS-certificate-error)/],
    ["{ certificate: us.pem, key: us-key.pem }", /^TLS-certificate-error$/],
  ])("is refused by that server, or refuses it, with only %s", async (tls, word) => {
    const server = await listenMutual();
    await runtime.files.write(file, profileText({ https: server.port }, tls));
    const host = open(await load(), [server.port])();
    const reply = await send(host, ask(server.port));
    // With TLS 1.3 a client learns only from the first read that its certificate was missing.
    if (reply.kind === "ok") expect(reply.value).not.toMatchObject({ status: 200 });
    else expect(reply).toMatchObject({ error: { tag: expect.stringMatching(word) } });
    expect(host.events[0]?.effect).toBe("failed");
  });

  it("is for exactly the audience, and not for http", async () => {
    const [theirs, other] = [await listenMutual(), await listenMutual()];
    const plain = await listenHttp((_request, response) => response.end("plain"));
    await runtime.files.write(file, profileText({ https: theirs.port, http: plain.port }));
    const host = open(await load(), [theirs.port, other.port, plain.port])();
    expect(await send(host, ask(other.port))).toEqual({
      kind: "error",
      error: { tag: "TLS-certificate-error" },
    });
    await sendOk(host, ask(plain.port, "http"));
    expect(host.events.map(({ clause }) => clause)).toEqual([
      "network_allowlist[2]",
      "network_allowlist[5]; secret_profile api as authorization",
    ]);
  });
});

describe("keepFresh()", () => {
  /** A clock that moves when it is told to. */
  function manual() {
    const due: (() => void)[] = [];
    const after = (_ms: number, action: () => void) => {
      due.push(action);
      return () => void due.splice(0);
    };
    const tick = async () => {
      due.shift()?.();
      await expect.poll(() => due).toHaveLength(1);
    };
    return { due, tick, clock: { ...clock, after } };
  }

  it("puts a changed secret and certificate in force without a restart, and keeps the old while a file is broken", async () => {
    const server = await listenMutual();
    await runtime.files.write(file, profileText({ https: server.port }));
    const profiles = new Map(await load());
    const logged: object[] = [];
    const { due, tick, clock: hand } = manual();
    const end = keepFresh(hand, profiles, load, (line) => logged.push(line));
    const run = open(profiles, [server.port]);
    expect(await textOf(run(), server.port)).toBe("writ.example.test");

    // Between two writes the certificate is the new one and the key the old one.
    await put("us.pem", fixture("private-client-2-cert.pem"));
    await tick();
    expect(JSON.stringify(logged)).toContain("api.tls.key: it is not the key of the certificate");
    expect(await textOf(run(), server.port)).toBe("writ.example.test");

    const under = run();
    await put("us-key.pem", fixture("private-client-2-key.pem"), 0o600);
    await tick();
    expect(await textOf(run(), server.port)).toBe("second.example.test");
    expect(await textOf(under, server.port)).toBe("writ.example.test");

    await runtime.files.write(file, "api: [");
    await tick();
    expect(logged).toHaveLength(2);
    expect(logged[1]).toMatchObject({ event: "profiles-not-reloaded", error: expect.stringContaining(file) });
    expect(await textOf(run(), server.port)).toBe("second.example.test");

    await runtime.files.write(file, "{}");
    await tick();
    expect(() => run()).toThrow('secret profile "api" is not among the operator\'s profiles');
    await end();
    expect(due).toEqual([]);
  });

  it("does not go on after its end, also when that comes while it reads", async () => {
    const { due, clock: hand } = manual();
    let answer = (_profiles: Map<string, SecretProfile>) => {};
    const slow = new Promise<Map<string, SecretProfile>>((resolve) => {
      answer = resolve;
    });
    const end = keepFresh(
      hand,
      new Map(),
      () => slow,
      () => {},
    );
    due.shift()?.();
    const ended = end();
    answer(new Map());
    await ended;
    expect(due).toEqual([]);
  });
});
