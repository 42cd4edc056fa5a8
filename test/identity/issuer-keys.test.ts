/** An issuer's keys: rotated under load, stormed with made-up names, and served by an issuer that fails or lies. */
import { readFile } from "node:fs/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { runtime } from "#runtime";
import { createOutgoing } from "../../src/broker/index.ts";
import { createIdentity, type Identity, type Issuer } from "../../src/identity/index.ts";
import type { Clock, Store } from "../../src/ports/index.ts";
import { openStore } from "../../src/stores/index.ts";
import { openIssuer, type SigningKey, sign, signingKey, type TestIssuer } from "../support/issuer.ts";

const MINUTE = 60_000;

let one: SigningKey;
let two: SigningKey;
let server: TestIssuer;
let store: Store;
let identity: Identity;
let log: object[];
/** Added to both clocks. */
let laterMs: number;

beforeEach(async () => {
  [one, two] = await Promise.all([signingKey("one"), signingKey("two")]);
  server = await openIssuer([one]);
  store = await openStore(runtime.openSqlite(":memory:"));
  log = [];
  laterMs = 0;
  open(runtime);
  use();
});
afterEach(async () => {
  await store.close();
  await server.close();
});

/** @param way out, with a clock and a resolver of its own where a test wants one */
function open(way: Parameters<typeof createOutgoing>[0]): void {
  const clock: Clock = {
    ...runtime.clock,
    nowMs: () => runtime.clock.nowMs() + laterMs,
    monotonicMs: () => runtime.clock.monotonicMs() + laterMs,
  };
  identity = createIdentity({
    ...{ store, clock, entropy: runtime.entropy },
    outgoing: createOutgoing(way),
    log: (line) => void log.push(line),
  });
}

function use(changes: Partial<Issuer> = {}): void {
  const issuer: Issuer = {
    name: "corp",
    issuer: server.url,
    audience: ["writ"],
    algorithms: ["ES256", "RS256", "PS256", "EdDSA"],
    typ: "at+jwt",
    maxAgeSeconds: 86_400,
    clockToleranceSeconds: 5,
    allowAddresses: ["127.0.0.1/32"],
    authorities: [],
    tenant: { value: "acme" },
    tier: { value: "pro" },
    principal: { claim: "sub" },
    scopes: { value: ["invoke"] },
    ...changes,
  };
  identity.use({ issuers: [issuer] });
}

async function tokenOf(key: SigningKey, kid = key.kid): Promise<string> {
  const iat = Math.floor((runtime.clock.nowMs() + laterMs) / 1000);
  const claims = { iss: server.url, aud: "writ", sub: "alice", iat, exp: iat + 600 };
  return `Bearer ${await sign(key, { alg: key.alg, kid, typ: "at+jwt" }, claims)}`;
}

/** `ok`, or the code of the refusal. */
async function ask(authorization: string): Promise<string> {
  return await identity.authenticate(authorization).then(
    () => "ok",
    (error: { code?: string }) => error.code ?? String(error),
  );
}

/** Requests for the set of keys. */
const fetches = () => server.asked.filter((path) => path === "/keys").length;

describe("an issuer's keys", () => {
  it("are found by discovery, once, and kept", async () => {
    const tokens = await Promise.all(Array.from({ length: 20 }, () => tokenOf(one)));
    expect(new Set(await Promise.all(tokens.map(ask)))).toEqual(new Set(["ok"]));
    expect(server.asked).toEqual(["/.well-known/openid-configuration", "/keys"]);
  });

  it.each(["ES256", "RS256", "PS256", "EdDSA"] as const)("are taken for %s", async (alg) => {
    const key = await signingKey("k", alg);
    const { alg: _alg, use: _use, ...bare } = key.jwk;
    for (const jwk of [key.jwk, bare]) {
      server.keys = [jwk];
      open(runtime);
      use({ algorithms: [alg] });
      expect(await ask(await tokenOf(key))).toBe("ok");
    }
  });

  it("are rotated under load without one false refusal, and without waiting for their age", async () => {
    expect(await ask(await tokenOf(one))).toBe("ok");
    const results: Promise<string>[] = [];
    for (let round = 0; round < 40; round++) {
      // Published and used in the same moment: the worst that an issuer does.
      if (round === 20) server.keys = [one.jwk, two.jwk];
      results.push(ask(await tokenOf(one)));
      if (round >= 20) results.push(ask(await tokenOf(two)));
    }
    expect(new Set(await Promise.all(results))).toEqual(new Set(["ok"]));
    expect(fetches()).toBe(2);
    // The old key is withdrawn: it is refused once the set is fetched again, at the latest after five minutes.
    server.keys = [two.jwk];
    laterMs += 6 * MINUTE;
    await ask(await tokenOf(two));
    await expect.poll(async () => await ask(await tokenOf(one))).toBe("unauthenticated");
  });

  it("cost the issuer one request in 30 s, whatever key names are made up", async () => {
    await ask(await tokenOf(one));
    const storm = async () => {
      const tokens = await Promise.all(
        Array.from({ length: 200 }, (_, index) => tokenOf(two, `made-up-${index}`)),
      );
      return new Set(await Promise.all(tokens.map(ask)));
    };
    const before = fetches();
    expect(await storm()).toEqual(new Set(["unauthenticated"]));
    expect(await storm()).toEqual(new Set(["unauthenticated"]));
    expect(fetches() - before).toBe(1);
    laterMs += 30_000;
    expect(await storm()).toEqual(new Set(["unauthenticated"]));
    expect(fetches() - before).toBe(2);
    // Whoever signs with a known key has noticed nothing.
    expect(await ask(await tokenOf(one))).toBe("ok");
  });

  it("are used for an hour when the issuer fails, and not longer", async () => {
    await ask(await tokenOf(one));
    server.answer = () => ({ status: 500 });
    laterMs += 59 * MINUTE;
    expect(await ask(await tokenOf(one))).toBe("ok");
    // What is new can not be judged now: that is nobody's fault who holds a good token.
    expect(await ask(await tokenOf(two))).toBe("identity-unavailable");
    laterMs += 2 * MINUTE;
    await expect.poll(async () => await ask(await tokenOf(one))).toBe("identity-unavailable");
    server.answer = undefined;
    laterMs += 30_000;
    await expect.poll(async () => await ask(await tokenOf(one))).toBe("ok");
    expect(JSON.stringify(log)).toContain("status 500");
  });

  it("are asked for with growing pauses while the issuer fails", async () => {
    server.answer = () => ({ status: 503 });
    for (let second = 0; second < 60; second++) {
      expect(await ask(await tokenOf(one))).toBe("identity-unavailable");
      laterMs += 1_000;
    }
    // At 0, 1, 3, 7, 15, 31 s: five doubled pauses, and one of 30 s after it.
    expect(server.asked.length).toBeLessThanOrEqual(8);
  });
});

describe("an issuer that lies or fails", () => {
  const DOCUMENT = "/.well-known/openid-configuration";
  const CASES: readonly (readonly [
    string,
    (path: string) => { status?: number; body?: string } | undefined,
  ])[] = [
    [
      "a document of another issuer",
      (path) =>
        path === DOCUMENT
          ? { body: JSON.stringify({ issuer: "https://evil.example", jwks_uri: `${server.url}/keys` }) }
          : undefined,
    ],
    [
      "keys over plain HTTP elsewhere",
      (path) =>
        path === DOCUMENT
          ? { body: JSON.stringify({ issuer: server.url, jwks_uri: "http://evil.example/keys" }) }
          : undefined,
    ],
    [
      "keys in a file",
      (path) =>
        path === DOCUMENT
          ? { body: JSON.stringify({ issuer: server.url, jwks_uri: "file:///etc/passwd" }) }
          : undefined,
    ],
    [
      "keys at an address that is not public",
      (path) =>
        path === DOCUMENT
          ? { body: JSON.stringify({ issuer: server.url, jwks_uri: "https://169.254.169.254/keys" }) }
          : undefined,
    ],
    [
      "a document that says its issuer twice",
      (path) =>
        path === DOCUMENT
          ? { body: `{"issuer":"x","issuer":"${server.url}","jwks_uri":"${server.url}/keys"}` }
          : undefined,
    ],
    ["a redirect", (path) => (path === "/keys" ? { status: 302 } : undefined)],
    ["no JSON", (path) => (path === "/keys" ? { body: "<html>" } : undefined)],
    ["no keys", (path) => (path === "/keys" ? { body: '{"keys":[]}' } : undefined)],
    [
      "more keys than any issuer has",
      (path) => (path === "/keys" ? { body: JSON.stringify({ keys: Array(101).fill(one.jwk) }) } : undefined),
    ],
    ["a megabyte", (path) => (path === "/keys" ? { body: `{"pad":"${"x".repeat(1_000_000)}"}` } : undefined)],
    [
      "a private key",
      (path) =>
        path === "/keys" ? { body: JSON.stringify({ keys: [{ ...one.jwk, d: "AA" }] }) } : undefined,
    ],
    [
      "a secret for HMAC",
      (path) =>
        path === "/keys"
          ? { body: JSON.stringify({ keys: [{ kty: "oct", k: "AA", kid: "one" }] }) }
          : undefined,
    ],
    [
      "a key for encryption",
      (path) =>
        path === "/keys" ? { body: JSON.stringify({ keys: [{ ...one.jwk, use: "enc" }] }) } : undefined,
    ],
    [
      "a key for another algorithm",
      (path) =>
        path === "/keys" ? { body: JSON.stringify({ keys: [{ ...one.jwk, alg: "ES384" }] }) } : undefined,
    ],
  ];

  it.each(CASES)("is not believed: %s", async (_, answer) => {
    server.answer = answer;
    expect(await ask(await tokenOf(one))).toBe("identity-unavailable");
    expect(log).toHaveLength(1);
  });

  it("is not believed by a key that is no point of its curve", async () => {
    server.keys = [{ ...one.jwk, x: one.jwk.y ?? "" }];
    // Node does not import it; Deno does, and no signature holds under it.
    expect(["identity-unavailable", "unauthenticated"]).toContain(await ask(await tokenOf(one)));
  });

  it("does not say which of two keys of one name is meant, so neither is", async () => {
    server.keys = [one.jwk, { ...two.jwk, kid: "one" }];
    expect(await ask(await tokenOf(one))).toBe("unauthenticated");
  });

  it("is reached at no address that the operator did not open", async () => {
    use({ allowAddresses: [] });
    expect(await ask(await tokenOf(one))).toBe("identity-unavailable");
    expect(server.asked).toEqual([]);
  });

  it("holds nobody up for longer than five seconds", async () => {
    server.answer = () => ({ delayMs: 60_000 });
    const waited: number[] = [];
    const after = (ms: number, action: () => void) => {
      waited.push(ms);
      return runtime.clock.after(ms / 50, action);
    };
    open({ clock: { ...runtime.clock, after }, resolver: runtime.resolver });
    use();
    expect(await ask(await tokenOf(one))).toBe("identity-unavailable");
    expect(waited).toContain(5_000);
  });
});

describe("an issuer behind a private authority", () => {
  it("is believed by that authority's certificate, and not without it", async () => {
    const fixture = (name: string) => readFile(`test/broker/fixtures/${name}.pem`, "utf8");
    const [cert, key, authority] = await Promise.all(
      ["private-server-cert", "private-server-key", "private-ca"].map(fixture),
    );
    const secure = await openIssuer([one], {
      cert: cert ?? "",
      key: key ?? "",
      hostname: "api.example.test",
    });
    open({ clock: runtime.clock, resolver: { resolve: async () => ["127.0.0.1"] } });
    try {
      const iat = Math.floor(runtime.clock.nowMs() / 1000);
      const claims = { iss: secure.url, aud: "writ", sub: "alice", iat, exp: iat + 600 };
      const token = `Bearer ${await sign(one, { alg: "ES256", kid: "one", typ: "at+jwt" }, claims)}`;
      use({ issuer: secure.url });
      expect(await ask(token)).toBe("identity-unavailable");
      use({ issuer: secure.url, authorities: [authority ?? ""] });
      expect(await ask(token)).toBe("ok");
    } finally {
      await secure.close();
    }
  });
});
