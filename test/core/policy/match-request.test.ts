import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { canonicalPath, matchRequest, type NetworkRule, readPolicy } from "../../../src/core/policy/index.ts";
import base from "../../vectors/policy/decide.json" with { type: "json" };
import vectors from "../../vectors/policy/requests.json" with { type: "json" };

function rulesOf(rules: object): readonly NetworkRule[] {
  const text = JSON.stringify({ ...base.base, network_allowlist: rules });
  return readPolicy(text, "rules").policy.network_allowlist;
}

describe("matchRequest()", () => {
  const rules = rulesOf(vectors.rules);

  it.each(vectors.cases)("answers $request", (vector) => {
    const match = matchRequest(rules, { ...vectors.request, ...vector.request });
    if (match.allowed) {
      expect({ index: match.index, path: match.path }).toEqual({ index: vector.index, path: vector.path });
      expect(match.clause).toBe(`network_allowlist[${match.index}]`);
    } else {
      expect(match.clause).toBe(vector.clause);
      expect(match.detail).not.toBe("");
    }
  });

  it("denies everything when there are no rules", () => {
    const denied = {
      allowed: false,
      clause: "network_allowlist",
      detail: "host is not in network_allowlist",
    };
    expect(matchRequest([], vectors.request)).toEqual(denied);
  });

  it("names the nearest miss, not the first", () => {
    const two = rulesOf([
      { host: "a.example", scheme: "http", port: 80, methods: ["GET"], paths: ["/"] },
      { host: "a.example", scheme: "https", port: 443, methods: ["GET"], paths: ["/"] },
    ]);
    const match = matchRequest(two, {
      scheme: "https",
      host: "a.example",
      port: 443,
      method: "POST",
      path: "/",
    });
    const detail = "method POST is not in methods of network_allowlist[1]";
    expect(match).toEqual({ allowed: false, clause: "network_allowlist[1].methods", detail });
  });

  it("keeps hostile text out of its details", () => {
    const match = matchRequest(rules, { ...vectors.request, method: `GET\r\nX: ${"y".repeat(1000)}` });
    expect(match).toMatchObject({
      detail: expect.stringMatching(/^method GET\?\?X:\?y{12} is not in methods/),
    });
  });

  // The oracle reads a path as a lenient server might: decoded again and again, backslashes as slashes, parameters
  // cut off, dots resolved. Whatever is allowed must lie within the rule even so.
  it("never allows what a lenient server would read as outside of every rule", () => {
    const piece = fc.constantFrom(
      "v1",
      "forecast",
      "public",
      "..",
      ".",
      "%2e",
      "%2F",
      "%5c",
      "\\",
      ";",
      "%25",
      "2e",
      "/",
      "/",
      "a",
      "é",
      "%c0%af",
      "?",
      "",
    );
    const path = fc.array(piece, { maxLength: 10 }).map((pieces) => `/${pieces.join("")}`);
    const usually = <T>(one: T, ...others: T[]) =>
      fc.oneof({ weight: 3, arbitrary: fc.constant(one) }, fc.constantFrom(...others));
    const origins = [
      { scheme: "https", host: "api.example.com", port: 443 },
      { scheme: "http", host: "127.0.0.1", port: 8080 },
      { scheme: "https", host: "[2001:db8::1]", port: 443 },
    ];
    const below = path.map((tail) => `/public${tail}`);
    const request = fc
      .record({
        origin: fc.constantFrom(...origins),
        scheme: usually(undefined, "http", "https", "HTTP", "ftp"),
        host: usually(undefined, "api.example.com", "127.0.0.1", "api.example.com.", "Api.example.com"),
        port: usually(undefined, 443, 8080, 80, 0, Number.NaN),
        method: usually("GET", "POST", "get", "TRACE"),
        path: fc.oneof(path, below, fc.constantFrom("/v1/forecast", "/a%20b"), fc.string({ unit: "binary" })),
      })
      .map(({ origin, scheme, host, port, method, path }) => ({
        scheme: scheme ?? origin.scheme,
        host: host ?? origin.host,
        port: port ?? origin.port,
        method,
        path,
      }));
    let allowed = 0;
    fc.assert(
      fc.property(request, (asked) => {
        const match = matchRequest(rules, asked);
        if (!match.allowed) return;
        allowed++;
        const rule = rules[match.index];
        expect(`${asked.scheme}://${asked.host.replace(/[[\]]/g, "")}:${asked.port}`).toBe(
          `${rule?.scheme}://${rule?.host}:${rule?.port}`,
        );
        expect(rule?.methods).toContain(asked.method);
        const seen = lenient(asked.path);
        expect(
          rule?.paths.some((p) => (p.endsWith("*") ? seen.startsWith(p.slice(0, -1)) : seen === lenient(p))),
        ).toBe(true);
        expect(lenient(match.path)).toBe(seen);
      }),
      { numRuns: 20_000 },
    );
    expect(allowed).toBeGreaterThan(500);
  });
});

describe("canonicalPath()", () => {
  it("leaves a canonical path as it is", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (text) => {
        const encoded = `/${encodeURIComponent(text.toWellFormed())}`;
        const once = canonicalPath(encoded);
        if (once.kind === "ok") expect(canonicalPath(once.path)).toEqual(once);
      }),
    );
  });
});

function lenient(path: string): string {
  let decoded = path;
  for (let round = 0; round < 4; round++) {
    decoded = decoded.replace(/%([0-9a-f]{2})/gi, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)));
  }
  const segments: string[] = [];
  const parts = decoded.replaceAll("\\", "/").split("/").slice(1);
  for (const part of parts.map((segment) => segment.split(";", 1)[0] ?? "")) {
    if (part === "..") segments.pop();
    else if (part !== ".") segments.push(part);
  }
  return `/${segments.join("/")}`;
}
