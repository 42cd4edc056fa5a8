/**
 * The bar for the one door: every spelling that this repository can generate, and the ends of every special-purpose
 * block, asserted at the socket. Lists that others publish are tried by `bar/published.ts`, which reads them where
 * they are; `.ci/run` runs it.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { attempt, forbidden, type Watch, watch } from "./bar/attempts.ts";
import { endsOf, isPublic, numberOfV4, V4_BLOCKS, V6_BLOCKS, v4 } from "./bar/blocks.ts";
import { spellingsOfV4, spellingsOfV6 } from "./bar/spellings.ts";

/** What attackers want to reach. */
const WANTED = [
  "127.0.0.1",
  "127.255.255.254",
  "0.0.0.0",
  "10.0.0.1",
  "172.16.0.1",
  "192.168.0.1",
  "169.254.169.254",
  "169.254.170.2",
  "100.100.100.200",
  "168.63.129.16",
  "192.0.0.192",
  "100.64.0.1",
];

let watched: Watch;
let tried = 0;

beforeAll(async () => {
  watched = await watch();
});
afterAll(() => watched.close());

describe("the bar", () => {
  it("has an oracle that knows public addresses from others", () => {
    expect(["8.8.8.8", "1.1.1.1", "2606:4700::1111"].map(isPublic)).toEqual([true, true, true]);
    expect([...WANTED, "::1", "fe80::1", "2001:db8::1", "64:ff9b::7f00:1"].filter(isPublic)).toEqual([]);
  });

  it("sees a connect when there is one", async () => {
    const { call, get, openRun, rule, send } = await import("./support.ts");
    const { host } = openRun({ rules: [rule("api.test", watched.port)] });
    await send(host, get(watched.port));
    expect(watched.dialed).toEqual(["127.0.0.1"]);
    expect(watched.accepted()).toBe(1);
    const socket = openRun({
      grants: [{ kind: "sockets", rules: [{ host: "127.0.0.1", port: watched.port }] }],
    });
    await call(socket.host, "sockets/connect", { address: "127.0.0.1", port: watched.port });
    expect(watched.dialed).toEqual(["127.0.0.1", "127.0.0.1"]);
    expect(watched.accepted()).toBe(2);
  });

  it.each(WANTED)("%s is reached by no spelling", async (address) => {
    const before = { dialed: watched.dialed.length, accepted: watched.accepted() };
    const spellings = spellingsOfV4(numberOfV4(address));
    tried += spellings.length;
    expect(await attempt(spellings, watched)).toEqual([]);
    expect(watched.accepted()).toBe(before.accepted);
    expect(forbidden({ ...watched, dialed: watched.dialed.slice(before.dialed) })).toEqual([]);
  });

  it("neither end of any special-purpose block is reached by any of eight spellings and more", async () => {
    const before = { dialed: watched.dialed.length, accepted: watched.accepted() };
    const ends = [...V4_BLOCKS].flatMap(endsOf);
    // Eight of each, spread over the families.
    const inV4 = [...new Set(ends)].flatMap((value) => {
      const all = spellingsOfV4(value);
      const eight = Array.from(
        { length: 8 },
        (_, index) => all[Math.floor((index * all.length) / 8)] ?? v4(value),
      );
      return [v4(value), ...eight];
    });
    const inV6 = [...new Set([...V6_BLOCKS].flatMap(endsOf))].flatMap(spellingsOfV6);
    const spellings = [...new Set([...inV4, ...inV6])];
    tried += spellings.length;
    expect(await attempt(spellings, watched)).toEqual([]);
    expect(watched.accepted()).toBe(before.accepted);
    expect(forbidden({ ...watched, dialed: watched.dialed.slice(before.dialed) })).toEqual([]);
  });

  it("tried at least 3,000 spellings, each in six places", () => {
    expect(tried).toBeGreaterThanOrEqual(3000);
  });
});
