/** The clause `relaxed_simd`: what it reads as, what is refused, and that nobody who calls another tool widens it. */
import { expect, it } from "vitest";
import { attenuate, PolicyError, readPolicy } from "../../../src/core/policy/index.ts";
import vectors from "../../vectors/policy/decide.json" with { type: "json" };

const read = (members: object) => readPolicy(JSON.stringify({ ...vectors.base, ...members }), "p.json");

it("readPolicy() reads relaxed_simd, and has it in the policy's identity", () => {
  expect(read({}).policy.relaxed_simd).toBeUndefined();
  expect(read({ relaxed_simd: "allow" }).policy.relaxed_simd).toBe("allow");
  expect(read({ relaxed_simd: "allow" }).policyId).not.toBe(read({}).policyId);
});

it.each([
  ["another word", { relaxed_simd: "deny" }, "wanted allow"],
  ["a boolean", { relaxed_simd: true }, "wanted allow"],
  [
    "runs that must repeat elsewhere",
    { relaxed_simd: "allow", evidence: { journal: "full" } },
    "journal is full",
  ],
])("readPolicy() refuses relaxed_simd with %s", (_name, members, fault) => {
  expect(() => read(members)).toThrow(PolicyError);
  expect(() => read(members)).toThrow(fault);
});

it("readPolicy() takes it beside evidence that replays nothing", () => {
  expect(read({ relaxed_simd: "allow", evidence: { keep: ["output"] } }).policy.relaxed_simd).toBe("allow");
});

it("attenuate() keeps relaxed_simd where callee and caller both have it", () => {
  const [without, allowed] = [read({}), read({ relaxed_simd: "allow" })];
  expect(attenuate(allowed, allowed.policy).policy.relaxed_simd).toBe("allow");
  expect(attenuate(allowed, without.policy).policy.relaxed_simd).toBeUndefined();
  expect(attenuate(without, allowed.policy).policy.relaxed_simd).toBeUndefined();
});
