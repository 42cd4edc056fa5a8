/** `writ reload` before a real server that answers as a gateway does, and before none. */
import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cli } from "./support.ts";

let answer: { readonly status: number; readonly body: unknown };
let asked:
  | { readonly method: unknown; readonly url: unknown; readonly headers: IncomingHttpHeaders }
  | undefined;
const server = createServer((request, response) => {
  asked = { method: request.method, url: request.url, headers: request.headers };
  response.writeHead(answer.status, { "content-type": "application/json" });
  response.end(typeof answer.body === "string" ? answer.body : JSON.stringify(answer.body));
});
let url: string;
beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => new Promise((resolve) => server.close(resolve)));

const reload = (args: readonly string[] = [], env: Record<string, string> = { WRIT_KEY: "writ_k" }) =>
  cli(["reload", "--url", url, ...args], { env });

describe("writ reload", () => {
  it("asks with the key of the environment, and says what changed", async () => {
    answer = { status: 200, body: { action: "act_1", changes: ["hash [free]: a is 1", "b\u001b[31m"] } };
    expect(await reload()).toEqual({
      code: 0,
      out: "reloaded   hash [free]: a is 1\nreloaded   b\\u{1b}[31m",
      err: "",
    });
    expect(asked).toMatchObject({ method: "POST", url: "/v1/operate/reload" });
    expect(asked?.headers.authorization).toBe("Bearer writ_k");
    expect(JSON.parse((await reload(["--json"])).out)).toEqual(answer.body);
    answer = { status: 200, body: { action: "act_1", changes: ["a"], held: ["hash: b"] } };
    expect((await reload()).out).toBe("reloaded   a\nheld       hash: b");
    expect(JSON.parse((await reload(["--json"])).out)).toEqual(answer.body);
    answer = { status: 200, body: { action: null, changes: [] } };
    expect((await reload()).out).toBe("nothing has changed");
    const steps = [
      { step: "decode", ms: 3 },
      { step: "plan", ms: 1 },
    ];
    answer = { status: 200, body: { action: "act_2", changes: ["c"], prepared: [{ tool: "hash", steps }] } };
    expect((await reload()).out).toBe("prepared   hash  decode 3, plan 1 ms\nreloaded   c");
    expect(JSON.parse((await reload(["--json"])).out)).toEqual(answer.body);
    // Where the flag does not say, the environment does.
    expect((await cli(["reload"], { env: { WRIT_KEY: "k", WRIT_URL: `${url}/` } })).code).toBe(0);
  });

  it("ends with 1 and every fault when the files can not be used", async () => {
    answer = { status: 409, body: { title: "t", status: 409, faults: ["a.yaml:1:2 x", "b.yaml:3:4 y"] } };
    expect(await reload()).toEqual({
      code: 1,
      out: "",
      err: "a.yaml:1:2 x\nb.yaml:3:4 y\nwrit: nothing was changed: 2 faults",
    });
    expect(JSON.parse((await reload(["--json"])).out)).toEqual({ faults: ["a.yaml:1:2 x", "b.yaml:3:4 y"] });
  });

  it.each([
    [
      { status: 401, body: { title: "No", detail: "no such key" } },
      /answered 401[\s\S]*no such key[\s\S]*writ keys list/,
    ],
    [{ status: 403, body: { title: "No", scope: "operate" } }, /answered 403[\s\S]*--scopes operate/],
    [{ status: 502, body: "<html>" }, /answered 502$/],
  ])("says what to do when it is refused: %j", async (refused, words) => {
    answer = refused;
    const { code, out, err } = await reload();
    expect([code, out, err]).toEqual([2, "", expect.stringMatching(words)]);
    expect(err).not.toContain("writ_k");
  });

  it("says what to do without a key, without a gateway, and with a URL that is none", async () => {
    expect(await reload([], {})).toMatchObject({
      code: 2,
      err: expect.stringMatching(/WRIT_KEY is not set/),
    });
    const none = await cli(["reload", "--url", "http://127.0.0.1:1"], { env: { WRIT_KEY: "writ_k" } });
    expect(none).toMatchObject({
      code: 2,
      err: expect.stringMatching(/no gateway answers at http:\/\/127\.0\.0\.1:1/),
    });
    expect(none.err).toContain("start it with writ serve");
    for (const wrong of ["127.0.0.1:8787", "http://user@host", "http://a?b"])
      expect((await cli(["reload", "--url", wrong], { env: { WRIT_KEY: "k" } })).err).toMatch(
        /is no URL such as/,
      );
  });
});
