import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { buildOffer } from "../../src/toolchain/index.ts";
import { checkAgainstWorld, componentImports } from "../../src/toolchain/world-check.ts";

const root = join(import.meta.dirname, "../..");

describe("buildOffer()", () => {
  it("gives what wit/offer.wasm holds; if this fails, run `npm run build:wit`", async () => {
    const committed = await readFile(join(root, "wit/offer.wasm"));
    expect(Array.from(await buildOffer(root))).toEqual(Array.from(committed));
  });

  it("offers every interface that world `offer` names and no other", async () => {
    const worlds = await readFile(join(root, "wit/worlds.wit"), "utf8");
    const named = Array.from(worlds.matchAll(/^ {2}import (\S+);$/gm), (match) => match[1] ?? "");
    const full = named.map((name) => (name.includes(":") ? name : `writ:host/${name}@0.1.0`));
    expect(full.length).toBeGreaterThan(20);
    expect((await componentImports(await buildOffer(root))).sort()).toEqual(full.sort());
  });
});

describe("checkAgainstWorld()", () => {
  it("refuses every import that the world does not name", async () => {
    const offer = await buildOffer(root);
    const all = (await componentImports(offer)).map((name) => name.replace(/@.*/, ""));
    const allowed = all.filter((name) => name !== "wasi:http/types" && name !== "writ:host/secrets");
    await expect(checkAgainstWorld(offer, allowed)).rejects.toMatchObject({
      code: "component-refused",
      refusal: { imports: ["writ:host/secrets@0.1.0", "wasi:http/types@0.2.12", "wasi:http/types@0.3.0"] },
    });
  });

  it("takes another patch version for the same interface", async () => {
    const offer = await buildOffer(root);
    const allowed = (await componentImports(offer)).map((name) => name.replace(/@.*/, ""));
    await expect(checkAgainstWorld(offer, allowed)).resolves.toHaveLength(allowed.length);
  });
});
