/** Scopes: a closed list of words, and one form for a single tool. */
import { describe, expect, it } from "vitest";
import { hasScope, isScope, mayInvoke, SCOPE_NAMES, SCOPES } from "../../../src/core/policy/index.ts";

describe("isScope()", () => {
  it("knows every scope of the list, and that of a tool", () => {
    expect(SCOPES.map(({ name }) => name)).toEqual(SCOPE_NAMES);
    for (const word of [...SCOPE_NAMES, "invoke:weather", "invoke:a-1"])
      expect(isScope(word), word).toBe(true);
  });

  it.each([
    "",
    "*",
    "root",
    "Invoke",
    "invoke ",
    " invoke",
    "invoke:",
    "invoke:*",
    "invoke:Weather",
    "invoke:we ather",
    "invoke:weather/forecast",
    "invoke:weather\n",
    "invoke:weather,evidence",
    "evidence:weather",
    "constructor",
    "__proto__",
    `invoke:${"a".repeat(64)}`,
  ])("takes %j for no scope", (word) => {
    expect(isScope(word)).toBe(false);
  });
});

describe("mayInvoke() and hasScope()", () => {
  it("let a scope of one tool run that tool and no other", () => {
    expect(mayInvoke(["invoke:weather"], "weather")).toBe(true);
    for (const tool of ["weathe", "weather2", "", "*", "hash"])
      expect(mayInvoke(["invoke:weather"], tool), tool).toBe(false);
    expect(mayInvoke(["invoke"], "anything")).toBe(true);
    expect(mayInvoke(["evidence", "operate", "approve"], "weather")).toBe(false);
  });

  it("take a scope of one tool for the right to invoke at all, and for nothing else", () => {
    expect(hasScope(["invoke:weather"], "invoke")).toBe(true);
    for (const name of ["evidence", "operate", "approve"] as const)
      expect(hasScope(["invoke:weather", "invoke"], name)).toBe(false);
  });
});
