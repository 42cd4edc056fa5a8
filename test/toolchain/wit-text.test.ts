import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { composeWit, readWitPackage } from "../../src/toolchain/wit-text.ts";
import { removeFolder } from "../support/folder.ts";

let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "writ-wit-"));
});
afterEach(() => removeFolder(folder));

describe("readWitPackage()", () => {
  const refused: { name: string; files: Record<string, string>; message: string }[] = [
    { name: "a folder without WIT", files: { "README.md": "package a:b;" }, message: "no .wit file" },
    { name: "a file without a package line", files: { "a.wit": "interface i {}" }, message: "(none)" },
    {
      name: "a package line that is only a comment",
      files: { "a.wit": "// package a:b;\ninterface i {}" },
      message: "(none)",
    },
    {
      name: "two packages in one folder",
      files: { "a.wit": "package a:b;", "b.wit": "package a:c;" },
      message: "a:b, a:c",
    },
    {
      name: "one file of two without a package line",
      files: { "a.wit": "package a:b;", "b.wit": "interface i {}" },
      message: "a:b, (none)",
    },
  ];
  it.each(refused)("refuses $name", async ({ files, message }) => {
    for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
    await expect(readWitPackage(folder)).rejects.toMatchObject({
      code: "invalid-request",
      message: expect.stringContaining(message),
    });
  });

  it("joins the files of a package in the order of their names", async () => {
    await writeFile(join(folder, "b.wit"), "package a:b@1.0.0;\ninterface second {}\n");
    await writeFile(join(folder, "a.wit"), "package a:b@1.0.0;\ninterface first {}\n");
    const { id, body } = await readWitPackage(folder);
    expect(id).toBe("a:b@1.0.0");
    expect(body.replace(/\s+/g, " ").trim()).toBe("interface first {} interface second {}");
  });
});

describe("composeWit()", () => {
  const library = [
    { id: "far:away@1.0.0", body: "interface x {}" },
    { id: "near:by", body: "interface y { use far:away/x@1.0.0.{t}; }" },
    { id: "far:away@2.0.0-rc.1", body: "interface x {}" },
    { id: "never:used", body: "interface z {}" },
  ];
  const cases: { name: string; body: string; nested: string[] }[] = [
    { name: "nothing when nothing is referred to", body: "interface a {}", nested: [] },
    {
      name: "nothing for a reference in a comment",
      body: "/// see never:used/z\ninterface a {}",
      nested: [],
    },
    { name: "nothing for a package it lacks", body: "world w { import un:known/i; }", nested: [] },
    { name: "one package", body: "world w { import far:away/x@1.0.0; }", nested: ["far:away@1.0.0"] },
    {
      name: "the version that is named",
      body: "interface i { use far:away/x@2.0.0-rc.1.{t}; }",
      nested: ["far:away@2.0.0-rc.1"],
    },
    {
      name: "every version where none is named",
      body: "world w { import far:away/x; }",
      nested: ["far:away@1.0.0", "far:away@2.0.0-rc.1"],
    },
    {
      name: "what a package in turn refers to",
      body: "world w { import near:by/y; }",
      nested: ["far:away@1.0.0", "near:by"],
    },
  ];
  it.each(cases)("nests $name", ({ body, nested }) => {
    const text = composeWit({ id: "main:tool", body }, library);
    expect(text.startsWith("package main:tool;\n")).toBe(true);
    expect(Array.from(text.matchAll(/^package (\S+) \{$/gm), (match) => match[1])).toEqual(nested);
  });
});
