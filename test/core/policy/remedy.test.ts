/** The change that is proposed allows exactly what was denied, and is what it says: YAML of a policy that reads. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { permitRequest } from "../../../src/broker/egress/index.ts";
import {
  changeForDecision,
  changeForImport,
  decide,
  matchRequest,
  readPolicy,
} from "../../../src/core/policy/index.ts";

const HTTP = "wasi:http/outgoing-handler#handle";
const LOOK_UP = "wasi:sockets/ip-name-lookup#resolve-addresses";
const CONNECT = "wasi:sockets/tcp#[method]tcp-socket.start-connect";
const BASE = {
  tool_id: "weather",
  tenant_tier: ["free"],
  purpose: ["support"],
  functions: { "weather/forecast": { operation: "read" } },
  network_allowlist: [
    { host: "api.example.com", scheme: "https", port: 443, methods: ["GET"], paths: ["/v1/*"] },
  ],
  max_duration_ms: 1000,
  budget: { fuel: 1, memory_bytes: 65536, egress_bytes: 0, requests: 0, output_bytes: 0, log_bytes: 0 },
};

/** Does what the line says to a policy's document. */
function apply(document: Record<string, unknown>, line: string): Record<string, unknown> {
  const [[what = "", value] = []] = Object.entries(parse(line) as Record<string, unknown>);
  const [, verb, clause = ""] = /^(add to|set) (\w+)$/.exec(what) ?? [];
  const before = document[clause];
  if (verb === "set") return { ...document, [clause]: value };
  if (Array.isArray(before))
    return { ...document, [clause]: [...before, ...(Array.isArray(value) ? value : [value])] };
  return { ...document, [clause]: { ...Object(before), ...Object(value) } };
}

describe("changeForImport()", () => {
  const request = fc.record({
    method: fc.constantFrom("GET", "POST", "DELETE"),
    scheme: fc.constantFrom("http", "https"),
    authority: fc.constantFrom(
      "api.example.com",
      "evil.test:8443",
      "127.0.0.1",
      "[2001:db8::1]:80",
      "a.b.example.com",
    ),
    pathWithQuery: fc.oneof(
      fc.constantFrom(
        "/",
        "/v2",
        "/v1/x?token=secret",
        "/a b",
        "/é",
        "/*",
        "/x'\"{}[]: #&*!|>%@`",
        "/%2e%2e/x",
        `/${"y".repeat(300)}`,
      ),
      fc.string({ unit: "binary", maxLength: 20 }).map((text) => `/${text}`),
    ),
  });

  it("allows exactly the denied request: its own method, place and path, and none beside", () => {
    let proposed = 0;
    fc.assert(
      fc.property(request, (asked) => {
        const { policy } = readPolicy(JSON.stringify(BASE), "p");
        const denial = permitRequest(policy.network_allowlist, asked);
        if (denial.kind !== "denied") return;
        const line = changeForImport({
          import: HTTP,
          target: denial.label,
          clause: denial.clause,
          result: denial.word.tag,
        });
        if (line === undefined) return;
        proposed += 1;
        expect(line).not.toMatch(/token|[\r\n]/);
        const changed = readPolicy(JSON.stringify(apply(BASE, line)), "p").policy.network_allowlist;
        expect(permitRequest(changed, asked).kind).toBe("permit");
        const [added] = changed.slice(1);
        expect([
          changed.length,
          added?.methods.length,
          added?.paths.length,
          added?.paths[0]?.endsWith("*"),
        ]).toEqual([2, 1, 1, false]);
      }),
      { numRuns: 2000 },
    );
    expect(proposed).toBeGreaterThan(100);
  });

  it.each([
    [
      { import: HTTP, target: "GET http://user@x", clause: "uri: authority is not host or host:port" },
      undefined,
    ],
    [{ import: HTTP, target: "CONNECT http://a.test:80/", clause: "method: not offered" }, undefined],
    [{ import: "wasi:sockets/tcp@0.2.0#x", clause: "not offered" }, undefined],
    [
      {
        import: HTTP,
        target: "GET https://api.test:443/",
        clause: "egressAllow: 10.0.0.1/32, fd00::1/128; permitted by network_allowlist[0]",
        result: "destination-IP-prohibited",
      },
      `add to the operator's egressAllow: ["10.0.0.1/32", "fd00::1/128"]`,
    ],
    [
      {
        import: HTTP,
        target: "GET https://[fd00::1]:443/",
        clause: "egressBlock; permitted by network_allowlist[0]",
        result: "destination-IP-prohibited",
      },
      `take out of the operator's egressBlock: "<what covers fd00::1>"`,
    ],
    [
      {
        import: HTTP,
        target: "GET https://api.test:443/",
        clause: "network_allowlist[0]",
        result: "destination-IP-prohibited",
      },
      undefined,
    ],
    [
      { import: CONNECT, target: "tcp://db.test:5432", clause: "sockets", result: "access-denied" },
      'add to sockets: { host: "db.test", port: 5432 }',
    ],
    [
      {
        import: CONNECT,
        target: "tcp://[2001:db8::1]:1",
        clause: "sockets[0].port",
        result: "access-denied",
      },
      'add to sockets: { host: "2001:db8::1", port: 1 }',
    ],
    [
      { import: LOOK_UP, target: "db.test", clause: "sockets", result: "access-denied" },
      'add to sockets: { host: "db.test", port: "<its port>" }',
    ],
    [{ import: LOOK_UP, target: 'a" }, evil: {', clause: "sockets", result: "access-denied" }, undefined],
    [
      { import: "writ:host/signing#sign", target: "cloud", clause: "secret_operations" },
      'add to secret_operations: "sign"',
    ],
    [
      {
        import: "wasi:keyvalue/store#[method]bucket.set",
        target: "cart",
        clause: "keyvalue.bytes",
        result: "over quota: more than 100 bytes or 7 items",
      },
      'raise keyvalue.bytes: "<more than 100, or more than 7 of keyvalue.items>"',
    ],
    [
      {
        import: "wasi:filesystem/types#[method]descriptor.write",
        target: "/keep",
        clause: "filesystem.volume.bytes",
        result: "over quota: more than 100 bytes",
      },
      'raise filesystem.volume.bytes: "<more than 100>"',
    ],
    [
      { import: "writ:host/secrets#get", target: 'a"\n: b', clause: "secret_profile" },
      'set secret_profile: "a\\"\\n: b"',
    ],
    [
      { import: "writ:host/tools#invoke", target: "hash hash/sha256", clause: "tools" },
      'add to tools: { tool: "hash", functions: ["hash/sha256"] }',
    ],
    [{ import: "writ:host/tools#invoke", target: "hash }, evil: {", clause: "tools" }, undefined],
    [
      { import: "wasi:keyvalue/store#open", target: "cart", clause: "keyvalue.buckets" },
      'add to keyvalue.buckets: "cart"',
    ],
  ])("of %j is %j", (event, expected) => {
    expect(changeForImport(event)).toBe(expected);
  });
});

describe("changeForDecision()", () => {
  const principal = { id: "key:1", tenant: "acme", tier: "free", scopes: ["invoke" as const] };

  it.each([
    [{ function: "weather/other" }, "functions"],
    [{ purpose: "marketing" }, "purpose"],
    [{ needs: ["config" as const] }, "config"],
    [{ needs: ["tools" as const] }, "tools"],
  ])("turns the denial of %j into an allowance", (change, clause) => {
    const asked = {
      principal,
      tool: "weather",
      function: "weather/forecast",
      purpose: "support",
      needs: [],
      ...change,
    };
    const denial = decide(asked, [readPolicy(JSON.stringify(BASE), "p")]);
    const [reason] = denial.reasons.filter(({ effect }) => effect === "deny");
    expect(reason?.clause).toBe(clause);
    const line = reason === undefined ? undefined : changeForDecision(reason, asked);
    const changed = readPolicy(JSON.stringify(apply(BASE, line ?? "")), "p");
    expect(decide(asked, [changed]).kind).toBe("allow");
    expect(
      matchRequest(changed.policy.network_allowlist, {
        scheme: "https",
        host: "evil.test",
        port: 443,
        method: "GET",
        path: "/",
      }).allowed,
    ).toBe(false);
  });
});
