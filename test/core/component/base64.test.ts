import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fromGuest, toGuest, type WitType } from "../../../src/core/component/index.ts";

const bytes: WitType = { kind: "list", element: { kind: "u8" } };
const encode = (text: string) => fromGuest(bytes, new TextEncoder().encode(text), 1_000_000);

describe("encodeBase64() and decodeBase64(), as fromGuest() and toGuest() of list<u8>", () => {
  // RFC 4648 section 10.
  const vectors: [string, string][] = [
    ["", ""],
    ["f", "Zg=="],
    ["fo", "Zm8="],
    ["foo", "Zm9v"],
    ["foob", "Zm9vYg=="],
    ["fooba", "Zm9vYmE="],
    ["foobar", "Zm9vYmFy"],
  ];
  for (const [text, encoded] of vectors) {
    it(`encodeBase64() writes "${text}" as "${encoded}", and decodeBase64() reads it back`, () => {
      expect(encode(text)).toBe(encoded);
      expect(toGuest(bytes, encoded)).toEqual(new TextEncoder().encode(text));
    });
  }

  it("encodeBase64() agrees with Buffer on random bytes of any length", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (input) => {
        expect(fromGuest(bytes, input, 1_000)).toBe(Buffer.from(input).toString("base64"));
      }),
    );
  });

  const refused = ["=", "====", "Z===", "Zg=", "Zg", "Z g=", "Zh==", "Zm9=", "Zg==Zg==", "Zm9v\n", "Zm_v"];
  for (const text of refused) {
    it(`decodeBase64() refuses ${JSON.stringify(text)}`, () => {
      expect(() => toGuest(bytes, text)).toThrow(TypeError);
    });
  }
});
