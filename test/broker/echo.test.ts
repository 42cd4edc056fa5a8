/** Secrets that come back or go out, in every spelling a service or a guest gives them. */
import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { createEchoFilter } from "../../src/broker/echo.ts";
import { createBroker, Secret } from "../../src/broker/index.ts";
import type { Grant } from "../../src/core/policy/index.ts";
import {
  BUDGET,
  bodyOf,
  call,
  clock,
  closeListeners,
  fakeResolver,
  get,
  listenHttp,
  openRun,
  profileFor,
  readAll,
  rule,
  sendOk,
  textOf,
} from "./support.ts";

afterEach(closeListeners);

const SECRET = "s3cr3t/v+lue?x=1";
const bytes = (text: string) => new TextEncoder().encode(text);
const text = (data: Uint8Array) => new TextDecoder().decode(data);
const hex = (data: Uint8Array) => Array.from(data, (byte) => byte.toString(16).padStart(2, "0")).join("");
const url64 = (value: string) => value.replaceAll("+", "-").replaceAll("/", "_");

/** How others write a secret, with something before and after it. */
const SPELLINGS: readonly (readonly [
  name: string,
  spell: (secret: string, before: string, after: string) => string,
])[] = [
  ["plain", (secret, before, after) => `${before}${secret}${after}`],
  ["base64", (secret, before, after) => btoa(`${before}${secret}${after}`)],
  ["base64url", (secret, before, after) => url64(btoa(`${before}${secret}${after}`))],
  ["hex", (secret, before, after) => hex(bytes(`${before}${secret}${after}`))],
  ["HEX", (secret, before, after) => hex(bytes(`${before}${secret}${after}`)).toUpperCase()],
  ["URL", (secret, before, after) => encodeURIComponent(`${before}${secret}${after}`)],
  ["all percent", (secret) => hex(bytes(secret)).replace(/../g, (pair) => `%${pair}`)],
  ["JSON", (secret, before, after) => JSON.stringify(`${before}${secret}${after}`)],
];

describe("createEchoFilter()", () => {
  const someSecret = fc.string({
    unit: fc.integer({ min: 0x21, max: 0x7e }).map((n) => String.fromCharCode(n)),
    minLength: 9,
    maxLength: 60,
  });
  const around = fc.string({ unit: fc.constantFrom("a", "Z", "0", " "), maxLength: 7 });

  it.each(SPELLINGS)("finds a secret in %s, wherever it begins, and leaves the length", (_name, spell) => {
    fc.assert(
      fc.property(someSecret, around, around, (secret, before, after) => {
        const spelled = spell(secret, before, after);
        const { text: clean, found } = createEchoFilter(() => [secret]).text(spelled);
        expect(found).toBe(true);
        expect(clean).toHaveLength(spelled.length);
        expect(clean).not.toContain(secret);
        // What is left of it in base64 is not the secret: at most its outermost bits.
        expect(clean).toContain("*");
      }),
      { numRuns: 100 },
    );
  });

  it("finds it in pieces, cut anywhere, and hands on every other byte in order", () => {
    fc.assert(
      fc.property(
        someSecret,
        around,
        around,
        fc.constantFrom(...SPELLINGS.map(([, spell]) => spell)),
        fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 60 }),
        (secret, before, after, spell, cuts) => {
          const filter = createEchoFilter(() => [secret]);
          const spelled = spell(secret, before, after);
          const stream = filter.stream();
          let rest = bytes(spelled);
          let out = "";
          for (const cut of cuts) {
            out += text(stream.push(rest.subarray(0, cut)));
            rest = rest.subarray(cut);
          }
          out += text(stream.push(rest)) + text(stream.end());
          expect(stream.hasFound()).toBe(true);
          expect(out).toHaveLength(spelled.length);
          expect(filter.text(out).found).toBe(false);
        },
      ),
      { numRuns: 300 },
    );
  });

  it("delays nothing that can not be the beginning of a secret", () => {
    const stream = createEchoFilter(() => ["topsecretvalue"]).stream();
    expect(text(stream.push(bytes("hello, to")))).toBe("hello, ");
    expect(text(stream.push(bytes("day")))).toBe("today");
    expect(text(stream.end())).toBe("");
  });

  it("looks for nothing where there is nothing to look for", () => {
    expect(createEchoFilter(() => []).isActive()).toBe(false);
    expect(createEchoFilter(() => [""]).isActive()).toBe(false);
    expect(createEchoFilter(() => ["longenough"]).text("harmless").found).toBe(false);
  });

  it("finds it among any bytes at all, and changes no other", () => {
    const every = Uint8Array.from({ length: 1024 }, (_, n) => n & 0xff);
    const secret = bytes("topsecretvalue");
    const whole = Uint8Array.from([0xef, 0xbb, 0xbf, ...every, ...secret, ...every, ...secret]);
    const wanted = whole.slice();
    for (const at of [3 + 1024, 3 + 2048 + secret.length]) wanted.fill(0x2a, at, at + secret.length);
    for (const step of [1, 7, 500, whole.length]) {
      const stream = createEchoFilter(() => ["topsecretvalue"]).stream();
      const seen: number[] = [];
      for (let at = 0; at < whole.length; at += step)
        seen.push(...stream.push(whole.subarray(at, at + step)));
      seen.push(...stream.end());
      expect(Uint8Array.from(seen)).toEqual(wanted);
    }
  });
});

/** A server that echoes as it is asked to, and a run with a secret for it. */
async function open(onSecretEcho: "redact" | "revoke" = "redact") {
  const { port } = await listenHttp((request, response) => {
    const spell = SPELLINGS.find(([name]) => encodeURIComponent(name) === request.url?.slice(1))?.[1];
    const key = String(request.headers["x-api-key"]);
    response.setHeader("x-echo", spell?.(key, "", "") ?? "none");
    response.setHeader("x-coding", String(request.headers["accept-encoding"]));
    const body = spell?.(key, "the key is ", ", thank you") ?? "nothing to see";
    // In pieces, so that the secret is cut.
    response.write(body.slice(0, 20));
    setTimeout(() => response.end(body.slice(20)), 20);
  });
  const profile = profileFor(port, { secret: new Secret(SECRET) });
  const { resolver } = fakeResolver({ "api.test": ["127.0.0.1"] });
  const broker = createBroker({
    clock,
    resolver,
    profiles: new Map([[profile.name, profile]]),
    egress: { allowAddresses: ["127.0.0.1/32"] },
  });
  const grants: Grant[] = [
    { kind: "http-client", rules: [rule("api.test", port)], secretProfile: profile.name },
  ];
  const host = broker.openRun({ grants, budget: BUDGET, startedAtMs: Date.now(), onSecretEcho });
  return { host, port };
}

describe("an echo in a response", () => {
  it.each(SPELLINGS.map(([name]) => name))(
    "is overwritten in its body and taken from its headers: %s",
    async (name) => {
      const { host, port } = await open();
      const headers = [["accept-encoding", "gzip"]];
      const { headers: seen, body } = await sendOk(
        host,
        get(port, { pathWithQuery: `/${encodeURIComponent(name)}`, headers }),
      );
      const { chunks } = await readAll(host, body);
      expect(textOf(chunks)).toContain("*");
      expect(createEchoFilter(() => [SECRET]).text(textOf(chunks)).found).toBe(false);
      expect(seen.some(([field]) => field === "x-echo")).toBe(false);
      // Asked for in the open: compressed it could not be found.
      expect(seen.find(([field]) => field === "x-coding")?.[1]).not.toContain("gzip");
      expect(host.events).toMatchObject([{ result: "200; secret echoed, redacted" }]);
      expect(JSON.stringify(host.events)).not.toContain(SECRET);
    },
  );

  it("changes nothing of an answer without one", async () => {
    const { host, port } = await open();
    const { body } = await sendOk(host, get(port));
    expect(textOf((await readAll(host, body)).chunks)).toBe("nothing to see");
    expect(host.events).toMatchObject([{ result: "200" }]);
  });

  it("costs a guest one question for a body that is there whole, its end included", async () => {
    const { port } = await listenHttp((_request, response) => response.end(`it is ${SECRET} and no other`));
    const profile = profileFor(port, { secret: new Secret(SECRET) });
    const { host } = openRun({ rules: [rule("api.test", port)], profile });
    const { body } = await sendOk(host, get(port));
    const read = await call(host, "http-client/read", { handle: body, maxBytes: 65_536 });
    expect(read).toMatchObject({ kind: "ok", value: { end: true } });
    expect(textOf([bodyOf(read)])).toBe(`it is ${"*".repeat(SECRET.length)} and no other`);
    expect(host.events).toMatchObject([{ result: "200; secret echoed, redacted" }]);
  });

  it("revokes the run where the policy says so", async () => {
    const { host, port } = await open("revoke");
    const reply = await call(host, "http-client/send", get(port, { pathWithQuery: "/plain" }));
    expect(reply).toEqual({ kind: "stop", outcome: { kind: "revoked", reason: "secret-echo" } });
  });
});

describe("an echo in an output", () => {
  const output = { ok: { note: `key=${SECRET}`, list: [btoa(`x${SECRET}y`), "harmless"] } };

  it("is overwritten, and the evidence says so", async () => {
    const { host } = await open();
    const released = host.release?.(output);
    expect(released?.withheld).toBe(false);
    expect(JSON.stringify(released?.output)).toMatch(/key=\*{16}/);
    expect(createEchoFilter(() => [SECRET]).text(JSON.stringify(released?.output)).found).toBe(false);
    expect(released?.output).toMatchObject({ ok: { list: [expect.any(String), "harmless"] } });
    expect(host.events).toMatchObject([{ import: "output", clause: "on_secret_echo" }]);
  });

  it("is found in numbers as well, and what was not found stays as it was", async () => {
    const filter = createEchoFilter(() => ["31415926"]);
    const output = {
      ok: { pin: 31415926, near: 3141592, deep: [[{ n: -31415926.5 }], true, null, "pin 31415926"] },
    };
    expect(filter.json(output)).toEqual({
      found: true,
      value: { ok: { pin: 0, near: 3141592, deep: [[{ n: 0 }], true, null, "pin ********"] } },
    });
    const harmless = { a: [1, "x", { b: null }] };
    expect(filter.json(harmless)).toEqual({ found: false, value: harmless });
    expect(filter.json(harmless).value).toBe(harmless);
  });

  it("is withheld where the policy revokes the run", async () => {
    const { host } = await open("revoke");
    expect(host.release?.(output)).toMatchObject({ withheld: true });
  });

  it("is not looked for in a run without secrets", () => {
    expect(openRun({}).host.release).toBeUndefined();
  });
});

describe("a secret that is rotated while a run is under way", () => {
  const rotated = "an0ther/v+lue?x=2";

  /** Runs of a broker whose profile can be rotated, and a service that tells whoever asks the key it saw last. */
  async function openRotating(more: Parameters<typeof profileFor>[1] = {}) {
    let last = "none yet";
    const { port } = await listenHttp((request, response) => {
      const spoken = request.url === "/last" ? `${last} or ${btoa(`>${last}`)}` : "noted";
      if (request.url !== "/last") last = String(request.headers["x-api-key"]);
      response.write(spoken.slice(0, 9));
      setTimeout(() => response.end(spoken.slice(9)), 10);
    });
    const profiles = new Map([["weather-api", profileFor(port, { secret: new Secret(SECRET), ...more })]]);
    const { resolver } = fakeResolver({ "api.test": ["127.0.0.1"] });
    const broker = createBroker({ clock, resolver, profiles, egress: { allowAddresses: ["127.0.0.1/32"] } });
    const grants: Grant[] = [
      { kind: "http-client", rules: [rule("api.test", port)], secretProfile: "weather-api" },
      { kind: "reveal", profile: "weather-api" },
    ];
    return {
      profiles,
      rotate: (secret: string) =>
        void profiles.set("weather-api", profileFor(port, { secret: new Secret(secret), ...more })),
      open: (tenant = "acme") =>
        broker.openRun({ grants, budget: BUDGET, startedAtMs: Date.now(), owner: { tenant, tool: "t" } }),
      async ask(host: ReturnType<typeof broker.openRun>, pathWithQuery: string) {
        const { body } = await sendOk(host, get(port, { pathWithQuery }));
        return textOf((await readAll(host, body)).chunks);
      },
    };
  }
  const reveal = (host: Parameters<typeof call>[0]) => call(host, "reveal/reveal", { name: "weather-api" });
  const stars = (secret: string) => "*".repeat(secret.length);

  it("changes nothing of what that run sends and is shown", async () => {
    const { profiles, rotate, open, ask } = await openRotating();
    const before = open();
    rotate(rotated);
    const after = open();
    expect(await reveal(before)).toMatchObject({ value: SECRET });
    expect(await reveal(after)).toMatchObject({ value: rotated });
    await ask(before, "/note");
    expect(await ask(before, "/last")).toMatch(/^\*+ or /);
    expect(before.release?.(SECRET)).toEqual({ output: stars(SECRET), withheld: false });
    expect(after.release?.(rotated)).toEqual({ output: stars(rotated), withheld: false });
    // A profile that is taken away is taken away from runs that follow.
    profiles.clear();
    expect(await reveal(after)).toMatchObject({ value: rotated });
    expect(open).toThrow(/not among the operator's profiles/);
  });

  it("is not shown to that run when a service answers it with what another run was sent", async () => {
    const { rotate, open, ask } = await openRotating();
    const before = open();
    await ask(before, "/note");
    rotate(rotated);
    const after = open();
    // The old one to the new run, and then the new one to the old run.
    for (const [host, secret] of [
      [after, SECRET],
      [before, rotated],
    ] as const) {
      const shown = await ask(host, "/last");
      expect(shown).not.toContain(secret);
      expect(shown).not.toContain(btoa(`>${secret}`).slice(4));
      expect(shown.startsWith(stars(secret))).toBe(true);
      expect(host.release?.([secret])).toEqual({ output: [stars(secret)], withheld: false });
      await ask(after, "/note");
    }
  });

  it("is found in an answer that had begun before it was rotated", async () => {
    let say: (text: string, end: boolean) => void = () => undefined;
    const { port } = await listenHttp((_request, response) => {
      response.write("begun ");
      say = (text, end) => (end ? response.end(text) : response.write(text));
    });
    const profiles = new Map([["weather-api", profileFor(port, { secret: new Secret(SECRET) })]]);
    const { resolver } = fakeResolver({ "api.test": ["127.0.0.1"] });
    const broker = createBroker({ clock, resolver, profiles, egress: { allowAddresses: ["127.0.0.1/32"] } });
    const grants: Grant[] = [
      { kind: "http-client", rules: [rule("api.test", port)], secretProfile: "weather-api" },
    ];
    const host = broker.openRun({ grants, budget: BUDGET, startedAtMs: Date.now() });
    const { body } = await sendOk(host, get(port));
    expect(textOf([bodyOf(await call(host, "http-client/read", { handle: body, maxBytes: 100 }))])).toBe(
      "begun ",
    );
    profiles.set("weather-api", profileFor(port, { secret: new Secret(rotated) }));
    say(rotated.slice(0, 4), false);
    setTimeout(() => say(`${rotated.slice(4)} and ${SECRET}`, true), 20);
    expect(textOf((await readAll(host, body)).chunks)).toBe(`${stars(rotated)} and ${stars(SECRET)}`);
  });

  it("is still looked for after more rotations, and for its own tenants alone", async () => {
    const { profiles, rotate, open } = await openRotating({ tenants: ["acme"] });
    const first = open();
    for (let turn = 1; turn < 8; turn += 1) {
      rotate(`${rotated}-${turn}`);
      expect(open().release?.(`${rotated}-${turn}`)?.output).toBe(stars(`${rotated}-1`));
    }
    // What it began with, however long ago; of the others the last ones.
    expect(first.release?.(SECRET)?.output).toBe(stars(SECRET));
    expect(open().release?.([7, 6, 5].map((turn) => `${rotated}-${turn}`))?.output).toEqual(
      [7, 6, 5].map(() => stars(`${rotated}-1`)),
    );
    // For another tenant it would be a way to try guesses at what was never theirs.
    profiles.set("weather-api", profileFor(1, { secret: new Secret("globex-secret"), tenants: ["globex"] }));
    expect(open("globex").release?.(`${rotated}-7`)?.output).toBe(`${rotated}-7`);
    expect(first.release?.("globex-secret")?.output).toBe("globex-secret");
  });
});
