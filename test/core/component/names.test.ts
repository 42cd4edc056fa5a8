import { describe, expect, it } from "vitest";
import {
  compatibleInterfaces,
  compatibleVersions,
  lowerCamel,
  nameFault,
  parseExternName,
} from "../../../src/core/component/index.ts";

describe("nameFault()", () => {
  const passes = [
    "wasi:io/streams@0.2.6",
    "[method]output-stream.write",
    "cm32p2|a:b/imp@1",
    "cabi_post_wasi:http/incoming-handler@0.2.3#handle",
    "_ZN4core3fmt9Formatter$LT$T$GT$E",
    "memory",
    "",
    "$root",
    "a b",
  ];
  for (const name of passes) {
    it(`nameFault() passes "${name}"`, () => expect(nameFault(name)).toBeUndefined());
  }
});

describe("parseExternName()", () => {
  const table: [string, unknown][] = [
    ["forecast", { kind: "free", label: "forecast", async: false }],
    ["get-JSON", { kind: "free", label: "get-JSON", async: false }],
    ["[async]fetch", { kind: "free", label: "fetch", async: true }],
    ["[constructor]brush", { kind: "constructor", resource: "brush", async: false }],
    ["[method]brush.draw", { kind: "method", resource: "brush", label: "draw", async: false }],
    ["[async static]brush.best", { kind: "static", resource: "brush", label: "best", async: true }],
    ["a:b/c", { kind: "interface", id: { namespace: "a", package: "b", name: "c" } }],
    [
      "wasi:http/types@0.2.12",
      { kind: "interface", id: { namespace: "wasi", package: "http", name: "types", version: "0.2.12" } },
    ],
    [
      "a:b/c@1.0.0-rc.1+x",
      { kind: "interface", id: { namespace: "a", package: "b", name: "c", version: "1.0.0-rc.1+x" } },
    ],
    ["a:b/c@0.2", { kind: "interface", id: { namespace: "a", package: "b", name: "c", version: "0.2" } }],
  ];
  for (const [name, wanted] of table) {
    it(`parseExternName() reads "${name}"`, () => expect(parseExternName(name)).toEqual(wanted));
  }

  const refused = [
    "1st",
    "a--b",
    "a-",
    "-a",
    "aB",
    "a_b",
    "A:b/c",
    "a:b/c/d",
    "a:b/c@",
    "a:b/c@01.0.0",
    "[async constructor]a",
    "[method]a.b.c",
  ];
  for (const name of refused) {
    it(`parseExternName() refuses "${name}"`, () => expect(typeof parseExternName(name)).toBe("string"));
  }
});

describe("lowerCamel()", () => {
  const table: [string, string][] = [
    ["is-XML", "isXml"],
    ["a1-b2", "a1B2"],
    ["HTTP-protocol-error", "httpProtocolError"],
    ["DNS", "dns"],
    ["to-string", "toString"],
    ["read-via-4-stream", "readVia4Stream"],
  ];
  for (const [label, key] of table) {
    it(`lowerCamel() makes ${key} of ${label}`, () => expect(lowerCamel(label)).toBe(key));
  }
});

describe("compatibleVersions()", () => {
  const table: [string | undefined, string | undefined, boolean][] = [
    ["0.2.3", "0.2.12", true],
    ["0.2.99", "0.2.12", true],
    ["0.2.3", "0.3.0", false],
    ["0.2.3", "0.2", true],
    ["1.0.0", "1.9.3", true],
    ["1", "1.9.3", true],
    ["1.0.0", "2.0.0", false],
    ["0.0.1", "0.0.1", true],
    ["0.0.1", "0.0.2", false],
    ["1.0.0-rc.1", "1.0.0", false],
    ["1.0.0-rc.1", "1.0.0-rc.1", true],
    ["1.0.0+a", "1.0.0+b", true],
    [undefined, undefined, true],
    [undefined, "1.0.0", false],
  ];
  for (const [one, other, wanted] of table) {
    it(`compatibleVersions() says ${wanted} for ${one} and ${other}, both ways round`, () => {
      expect(compatibleVersions(one, other)).toBe(wanted);
      expect(compatibleVersions(other, one)).toBe(wanted);
    });
  }

  it("compatibleInterfaces() compares package and interface too", () => {
    expect(compatibleInterfaces("wasi:io/streams@0.2.3", "wasi:io/streams@0.2.12")).toBe(true);
    expect(compatibleInterfaces("wasi:io/streams@0.2.3", "wasi:io/poll@0.2.3")).toBe(false);
    expect(compatibleInterfaces("plain", "plain")).toBe(true);
    expect(compatibleInterfaces("plain", "other")).toBe(false);
  });
});
