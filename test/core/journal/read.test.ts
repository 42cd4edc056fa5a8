/** Journals as text: written and read back the same, and whatever else it is, refused with its line. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type Journal,
  JournalError,
  type JournaledCall,
  readJournal,
  writeCall,
  writeEnd,
  writeHead,
  writeReply,
} from "../../../src/core/journal/index.ts";
import type { JsonValue } from "../../../src/core/policy/index.ts";
import { journalHead } from "../../support/journals.ts";

const json = fc.jsonValue() as fc.Arbitrary<JsonValue>; // What it makes is JSON.
const count = fc.nat();
const trace = fc.record({ clock: fc.array(fc.integer()), order: fc.array(fc.integer()) });
const body = fc.uint8Array({ minLength: 1, maxLength: 50 });
const reply = fc.oneof(
  fc.record({ kind: fc.constant("ok" as const), value: json }),
  fc.record({ kind: fc.constant("ok" as const), value: json, body }),
  fc.record({ kind: fc.constant("error" as const), error: json }),
  fc.record({
    kind: fc.constant("stop" as const),
    outcome: fc.constant({ kind: "exhausted", budget: "requests" } as const),
  }),
);
const call = fc
  .record({ name: fc.string(), args: json, body, fuelUsed: count, trace, reply: fc.option(reply) })
  .map(({ reply: given, ...rest }): JournaledCall => (given === null ? rest : { ...rest, reply: given }));
const end = fc.record({
  outcome: fc.constantFrom({ kind: "completed" } as const, { kind: "timed-out", afterMs: 5 } as const),
  fuelUsed: fc.option(count),
  memoryPeakBytes: fc.option(count),
});
const journal: fc.Arbitrary<Journal> = fc
  .record({ input: json, calls: fc.array(call, { maxLength: 6 }), end })
  .map(({ input, calls, end: last }) => ({ head: journalHead({ input }), calls, end: last }));

function write({ head, calls, end: last }: Journal): string {
  const lines = calls.map((made, index) => writeCall(index, made));
  const replies = calls.flatMap(({ reply: given }, index) => (given ? [writeReply(index, given)] : []));
  return [writeHead(head), ...lines, ...replies, writeEnd(last)].join("");
}

/** As JSON reads it: without what JSON can not say apart. */
const plain = (value: unknown) => JSON.parse(JSON.stringify(value));

describe("readJournal()", () => {
  it("gives back what was written", () => {
    fc.assert(
      fc.property(journal, (given) => {
        expect(plain(readJournal(write(given)))).toEqual(plain(given));
      }),
    );
  });

  it("reads what was damaged as a journal or refuses it, and throws nothing else", () => {
    const damaged = fc
      .tuple(journal.map(write), fc.nat(), fc.nat({ max: 30 }), fc.string({ maxLength: 10 }))
      .map(([text, at, length, put]) => {
        const place = at % text.length;
        return text.slice(0, place) + put + text.slice(place + length);
      });
    fc.assert(
      fc.property(damaged, (text) => {
        try {
          readJournal(text);
        } catch (error) {
          expect(error).toBeInstanceOf(JournalError);
        }
      }),
      { numRuns: 500 },
    );
  });

  const made = write({
    head: journalHead({ input: 1 }),
    calls: [{ name: "n", args: null, body: new Uint8Array(0), fuelUsed: 1, trace: { clock: [], order: [] } }],
    end: { outcome: { kind: "completed" }, fuelUsed: 1, memoryPeakBytes: 1 },
  });
  const refused: readonly (readonly [what: string, text: string, says: string])[] = [
    ["nothing", "", "line 1"],
    ["one line", made.split("\n").slice(0, 1).join("\n").concat("\n"), "cut off"],
    ["a last line that is cut off", made.slice(0, -3), "cut off"],
    ["no end", made.split("\n").slice(0, 2).join("\n").concat("\n"), "line 2"],
    ["another version", made.replace("writ-journal/1", "writ-journal/9"), "line 1"],
    ["calls out of order", made.replace('"call":0', '"call":1'), "is call 1, wanted 0"],
    [
      "a reply to nothing",
      made.replace('{"end"', '{"reply":5,"kind":"ok","value":1}\n{"end"'),
      "line 3 is a reply to call 5",
    ],
    ["an outcome that nobody knows", made.replace('"completed"', '"perfect"'), "line 3"],
    ["a member that nobody knows", made.replace('{"end":true', '{"end":true,"more":1'), "line 3"],
    ["a body that is no base64", made.replace('"args":null', '"args":null,"body":"?"'), "line 2"],
  ];
  for (const [what, text, says] of refused)
    it(`refuses ${what}`, () => {
      expect(() => readJournal(text)).toThrow(JournalError);
      expect(() => readJournal(text)).toThrow(says);
    });
});
