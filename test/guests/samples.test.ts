/** The sample tools that keep and sign, under the policies that stand beside them: what a vendor copies has to work. */
import { createHmac } from "node:crypto";
import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { runtime } from "#runtime";
import { parseProfiles, resolveProfiles } from "../../src/broker/index.ts";
import type { JsonValue } from "../../src/core/policy/index.ts";
import type { Store } from "../../src/ports/index.ts";
import { openStore } from "../../src/stores/index.ts";
import { sampleTool } from "../support/components.ts";
import { reachFrom } from "../support/reach.ts";
import { openSandbox, type TestSandbox } from "../support/sandbox.ts";

const KEY = "the-key-of-the-links";
let box: TestSandbox;
let store: Store;
const callers = new Map<string, ReturnType<typeof reachFrom>>();

beforeAll(async () => {
  box = await openSandbox({ inProcess: true });
  store = await openStore(runtime.openSqlite(":memory:"));
  const yaml = `links: { secret: { value: ${KEY} }, audience: ["https://files.example.com"] }`;
  const profiles = await resolveProfiles(parseProfiles(yaml, "p.yaml"), {
    env: () => undefined,
    files: runtime.files,
  });
  for (const name of ["notes", "links"])
    callers.set(
      name,
      reachFrom(box, await sampleTool(name), { clock: runtime.clock, items: store.items, profiles }),
    );
});
afterAll(async () => {
  await box?.close();
  await store?.close();
});

/** Calls a sample under the clauses of its own policy, with `more` in place of some. */
async function call(tool: string, name: string, input: JsonValue, tenant = "acme", more: object = {}) {
  const text = await readFile(new URL(`../../tools/${tool}/policy.yaml`, import.meta.url), "utf8");
  const { keyvalue, filesystem, secret_profile, secret_operations, budget } = parse(text);
  const clauses = { keyvalue, filesystem, secret_profile, secret_operations, budget, ...more };
  const ofTool = Object.fromEntries(Object.entries(clauses).filter(([, clause]) => clause !== undefined));
  return callers.get(tool)?.(ofTool, name, input, { tenant });
}

describe("the notes tool", () => {
  const note = (title: string, text: string, revision: number) => ({ ok: { title, text, revision } });

  it("keeps notes between runs, counts what is written over, and gives titles in order", async () => {
    expect(await call("notes", "write", { title: "b", text: "zwei ☂" })).toMatchObject({
      output: note("b", "zwei ☂", 1),
    });
    await call("notes", "write", { title: "a", text: "one" });
    expect(await call("notes", "write", { title: "a", text: "uno" })).toMatchObject({
      output: note("a", "uno", 2),
    });
    expect(await call("notes", "read", { title: "b" })).toMatchObject({ output: note("b", "zwei ☂", 1) });
    expect(await call("notes", "titles", {})).toMatchObject({ output: { ok: ["a", "b"] } });
  });

  it("writes them into a file that is there in the next run", async () => {
    const text = "a: uno\nb: zwei ☂\n";
    const bytes = new TextEncoder().encode(text).length;
    expect(await call("notes", "archive", {})).toMatchObject({ output: { ok: bytes } });
    expect(await call("notes", "archived", {})).toMatchObject({ output: { ok: text } });
  });

  it("shows nothing of it to another tenant", async () => {
    expect(await call("notes", "titles", {}, "other")).toMatchObject({ output: { ok: [] } });
    expect(await call("notes", "read", { title: "a" }, "other")).toMatchObject({
      output: { err: { tag: "unknown" } },
    });
    expect(await call("notes", "archived", {}, "other")).toMatchObject({
      output: { err: { tag: "unknown" } },
    });
  });

  it("forgets, and says what it does not take", async () => {
    await call("notes", "forget", { title: "b" });
    expect(await call("notes", "read", { title: "b" })).toMatchObject({
      output: { err: { tag: "unknown" } },
    });
    expect(await call("notes", "write", { title: "../a", text: "" })).toMatchObject({
      output: { err: { tag: "bad-title" } },
    });
  });

  it("says when the quota is full, and when the policy gives it no place", async () => {
    const small = { keyvalue: { buckets: ["notes", "revisions"], bytes: "1KiB" } };
    expect(
      await call("notes", "write", { title: "long", text: "x".repeat(2000) }, "small", small),
    ).toMatchObject({ output: { err: { tag: "full" } } });
    const elsewhere = { keyvalue: { buckets: ["other"], bytes: "1KiB" } };
    expect(await call("notes", "titles", {}, "acme", elsewhere)).toMatchObject({
      output: { err: { tag: "not-permitted" } },
    });
  });
});

describe("the links tool", () => {
  const path = "/reports/7";
  const expires = 1_767_225_600;
  const signature = createHmac("sha256", KEY).update(`${path}\n${expires}`).digest("hex");
  const link = `${path}?expires=${expires}&signature=${signature}`;

  it("signs as whoever has the key would, without having it", async () => {
    const { output, events } = (await call("links", "sign", { path, expires })) ?? {};
    expect(output).toEqual({ ok: link });
    expect(events).toMatchObject([
      { import: "writ:host/secrets#get", effect: "allowed" },
      { import: "writ:host/signing#hmac-sha256", effect: "allowed" },
    ]);
    expect(JSON.stringify([output, events])).not.toContain(KEY);
  });

  it.each([
    ["a link that is good", link, expires - 1, { ok: path }],
    ["one whose time is over", link, expires, { err: { tag: "expired", val: expires } }],
    ["another path", link.replace("7", "8"), 0, { err: { tag: "forged" } }],
    ["another time", link.replace("1767", "9767"), 0, { err: { tag: "forged" } }],
    [
      "another signature",
      link.replace(/.$/, (last) => (last === "0" ? "1" : "0")),
      0,
      { err: { tag: "forged" } },
    ],
    [
      "a second spelling of the time",
      link.replace("expires=", "expires=0"),
      0,
      { err: { tag: "malformed" } },
    ],
    ["no link at all", "7", 0, { err: { tag: "malformed" } }],
  ])("checks %s", async (_what, given, now, output) => {
    expect(await call("links", "check", { link: given, now })).toMatchObject({ output });
  });

  it.each(["reports", "/a b", "/a?b", "/a#b", "/ä"])("signs no %j", async (bad) => {
    expect(await call("links", "sign", { path: bad, expires })).toMatchObject({
      output: { err: { tag: "bad-path" } },
    });
  });

  it("signs nothing that its policy does not let it", async () => {
    const { output, events } =
      (await call("links", "sign", { path, expires }, "acme", {
        secret_operations: ["sign"],
      })) ?? {};
    expect(output).toEqual({ err: { tag: "not-permitted" } });
    expect(events?.at(-1)).toMatchObject({ effect: "denied", clause: "secret_operations" });
  });
});
