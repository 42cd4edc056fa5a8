import { describe, expect, it } from "vitest";
import { checkImports, decode, type ImportCheck, WORLD } from "../../../src/core/component/index.ts";
import { fromWat, fromWit, wasiPackages } from "./support.ts";

/** The checks of one world's imports against another's. */
async function check(component: string, offer: string): Promise<readonly ImportCheck[]> {
  const world = async (text: string) => decode(await fromWat(`(component ${text})`));
  return checkImports(await world(component), await world(offer));
}

const instance = (name: string, ...exports: string[]) => `(import "${name}" (instance ${exports.join(" ")}))`;
const log = `(export "log" (func (param "text" string)))`;
const level = (...cases: string[]) =>
  `(type $e (enum ${cases.map((it) => `"${it}"`).join(" ")})) (export "level" (type $l (eq $e)))
   (export "log" (func (param "level" $l)))`;
const stream = `(export "stream" (type $s (sub resource))) (export "open" (func (result (own $s))))`;

describe("checkImports()", () => {
  const cases: { title: string; imported: string; offered: string; reason: string }[] = [
    {
      title: "an unknown interface",
      imported: instance("a:b/c@0.1.0", log),
      offered: instance("a:b/d@0.1.0", log),
      reason: "the interface a:b/c@0.1.0 is not offered",
    },
    {
      title: "an interface of another line of versions",
      imported: instance("a:b/c@0.1.0", log),
      offered: instance("a:b/c@0.2.0", log),
      reason: "the interface a:b/c@0.1.0 is offered as a:b/c@0.2.0 only",
    },
    {
      title: "an interface whose name JavaScript objects have",
      imported: instance("constructor", log),
      offered: instance("a:b/c", log),
      reason: "the interface constructor is not offered",
    },
    {
      title: "an unknown function",
      imported: instance("a:b/c", log, `(export "steal" (func))`),
      offered: instance("a:b/c", log),
      reason: "steal: the function is not offered: steal: func()",
    },
    {
      title: "a parameter of another type",
      imported: instance("a:b/c", `(export "log" (func (param "text" u32)))`),
      offered: instance("a:b/c", log),
      reason: `log: parameter "text": imported u32, offered string (imported log: func(text: u32); offered log: func(text: string))`,
    },
    {
      title: "a parameter of another name",
      imported: instance("a:b/c", `(export "log" (func (param "line" string)))`),
      offered: instance("a:b/c", log),
      reason: `log: parameter 1: imported "line", offered "text" (imported log: func(line: string); offered log: func(text: string))`,
    },
    {
      title: "a result that is not offered",
      imported: instance("a:b/c", `(export "log" (func (param "text" string) (result bool)))`),
      offered: instance("a:b/c", log),
      reason: `log: result: imported bool, offered nothing (imported log: func(text: string) -> bool; offered log: func(text: string))`,
    },
    {
      title: "an enum with a case too many, deep inside",
      imported: instance("a:b/c", level("low", "high", "extreme")),
      offered: instance("a:b/c", level("low", "high")),
      reason: `log: parameter "level": case 3: imported "extreme", offered none (imported log: func(level: level); offered log: func(level: level))`,
    },
    {
      title: "an async function that is offered synchronously",
      imported: instance("a:b/c", `(export "log" (func async (param "text" string)))`),
      offered: instance("a:b/c", log),
      reason: `log: imported async, offered not async (imported log: async func(text: string); offered log: func(text: string))`,
    },
    {
      title: "a resource under another name",
      imported: instance("a:b/c", stream),
      offered: instance("a:b/c", stream.replace('"stream"', '"other"')),
      reason: `open: result: imported resource stream of a:b/c, offered resource other of a:b/c (imported open: func() -> %stream; offered open: func() -> other)`,
    },
  ];
  for (const { title, imported, offered, reason } of cases) {
    it(`checkImports() does not serve ${title}`, async () => {
      const [found] = await check(imported, offered);
      expect(found).toMatchObject({ served: false, reason });
      expect((await check(imported, imported)).every((it) => it.served)).toBe(true);
    });
  }

  it("checkImports() serves a compatible version and says which", async () => {
    const [found] = await check(instance("a:b/c@0.2.3", stream), instance("a:b/c@0.2.12", stream, log));
    expect(found).toEqual({
      interface: "a:b/c@0.2.3",
      offered: "a:b/c@0.2.12",
      served: true,
      functions: [{ name: "open", served: true }],
      types: [{ name: "stream", served: true }],
    });
  });

  it("checkImports() lists the world's own functions under a name of their own", async () => {
    const [found] = await check(`(import "f" (func)) (import "g" (func))`, `(import "f" (func))`);
    expect(found).toMatchObject({
      interface: WORLD,
      served: false,
      functions: [
        { name: "f", served: true },
        { name: "g", served: false },
      ],
    });
  });

  it("checkImports() serves an older WASI to a component from a newer host, interface by interface", async () => {
    const world = `package x:y; world w { import wasi:http/outgoing-handler@0.2.12; import wasi:sockets/tcp@0.2.12; }`;
    const host = decode(await fromWit(`${world}\n${wasiPackages()}`, "w"));
    const older = wasiPackages().replaceAll("@0.2.12", "@0.2.3");
    const guest = decode(
      await fromWit(`package x:y; world w { import wasi:http/outgoing-handler@0.2.3; }\n${older}`, "w"),
    );
    const checks = checkImports(guest, host);
    expect(checks.flatMap((it) => it.reason ?? [])).toEqual([]);
    expect(checks.map((it) => it.interface)).toContain("wasi:io/streams@0.2.3");
  });
});
