/** Host patterns, port ranges and header lists: what they cover, and that an intersection covers exactly what both do. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { headerCrosses, intersectHeaders } from "../../../src/core/policy/header-lists.ts";
import { hostMatches, hostPatternFault, intersectHosts } from "../../../src/core/policy/host-pattern.ts";
import { intersectPorts, parsePorts, portMatches } from "../../../src/core/policy/port-range.ts";

const HOSTS = [
  "example.com",
  "a.example.com",
  "b.a.example.com",
  "aexample.com",
  "example.com.evil.test",
  "evil.test",
  "127.0.0.1",
  "2001:db8::1",
];
const PATTERNS = [
  "example.com",
  "a.example.com",
  "*.example.com",
  "*.a.example.com",
  "*.evil.test",
  "127.0.0.1",
  "2001:db8::1",
];

describe("hostMatches()", () => {
  it.each([
    ["*.example.com", "a.example.com"],
    ["*.example.com", "a.b.example.com"],
    ["example.com", "example.com"],
  ])("%s covers %s", (pattern, host) => {
    expect(hostMatches(pattern, host)).toBe(true);
  });

  it.each([
    ["*.example.com", "example.com"],
    ["*.example.com", ".example.com"],
    ["*.example.com", "xexample.com"],
    ["*.example.com", "a.example.com.evil.test"],
    ["*.example.com", "A.example.com"],
    ["*.example.com", "a_b.example.com"],
    ["*.example.com", "evil.test#.example.com"],
    ["*.example.com", "evil@a.example.com"],
    ["*.example.com", "a..example.com"],
    ["*.example.com", "*.example.com"],
    ["example.com", "a.example.com"],
  ])("%s does not cover %s", (pattern, host) => {
    expect(hostMatches(pattern, host)).toBe(false);
  });
});

describe("hostPatternFault()", () => {
  it("passes every pattern that this file's other tests use", () => {
    for (const pattern of PATTERNS)
      expect([pattern, hostPatternFault(pattern)]).toEqual([pattern, undefined]);
  });
});

describe("intersections", () => {
  it("of hosts cover exactly what both cover", () => {
    for (const a of PATTERNS) {
      for (const b of PATTERNS) {
        const both = intersectHosts(a, b);
        for (const host of HOSTS) {
          const covered = both !== undefined && hostMatches(both, host);
          expect([a, b, host, covered]).toEqual([a, b, host, hostMatches(a, host) && hostMatches(b, host)]);
        }
      }
    }
  });

  it("of ports cover exactly what both cover", () => {
    const ports = fc
      .oneof(
        fc.integer({ min: 1, max: 65535 }),
        fc.constant("*" as const),
        fc
          .tuple(fc.integer({ min: 1, max: 65535 }), fc.integer({ min: 1, max: 65535 }))
          .map(([a, b]) => `${a}-${b}`),
      )
      .map(parsePorts)
      .filter((parsed) => parsed !== undefined);
    fc.assert(
      fc.property(ports, ports, fc.integer({ min: 1, max: 65535 }), (a, b, port) => {
        const both = intersectPorts(a, b);
        if (both !== undefined) expect(parsePorts(both)).toBe(both);
        expect(both !== undefined && portMatches(both, port)).toBe(
          portMatches(a, port) && portMatches(b, port),
        );
      }),
      { numRuns: 2000 },
    );
  });

  it("of header lists let across exactly what both do", () => {
    const names = fc.subarray(["accept", "cookie", "x-a"]);
    const lists = fc.option(fc.record({ allow: names, strip: names }, { requiredKeys: [] }), {
      nil: undefined,
    });
    fc.assert(
      fc.property(lists, lists, fc.constantFrom("accept", "cookie", "x-a", "x-b"), (a, b, name) => {
        expect(headerCrosses(intersectHeaders(a, b), name)).toBe(
          headerCrosses(a, name) && headerCrosses(b, name),
        );
      }),
    );
  });
});

describe("parsePorts()", () => {
  it.each([
    0,
    65536,
    1.5,
    "",
    "443",
    "1-1",
    "2-1",
    "0-5",
    "1-65536",
    "01-5",
    "1-",
    "-5",
    "1-2-3",
    "**",
    " 1-2",
  ])("refuses %j", (written) => {
    expect(parsePorts(written)).toBeUndefined();
  });
});
