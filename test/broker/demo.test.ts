/** The sample API. */
import { describe, expect, it } from "vitest";
import { createDemo } from "../../src/demo/index.ts";

const demo = createDemo({ key: "demo-key" });
const ask = (path: string, key: string | undefined = "demo-key", method = "GET") =>
  demo(
    new Request(`http://127.0.0.1:8788${path}`, {
      method,
      headers: key === undefined ? {} : { "x-api-key": key },
    }),
  );
const PLACE = "/v1/forecast?latitude=52.52&longitude=13.41";

describe("createDemo()", () => {
  it.each([
    [PLACE, "", "GET", 401],
    [PLACE, "wrong", "GET", 401],
    [PLACE, "demo-key", "POST", 405],
    ["/v1/forecast", "demo-key", "GET", 400],
    ["/v1/forecast?latitude=91&longitude=0", "demo-key", "GET", 400],
    ["/v1/forecast?latitude=0&longitude=-180.5", "demo-key", "GET", 400],
    ["/v1/forecast?latitude=1e1&longitude=0", "demo-key", "GET", 400],
    ["/v1/forecast?latitude=NaN&longitude=0", "demo-key", "GET", 400],
    ["/", "demo-key", "GET", 404],
    ["/v1/forecast/x", "demo-key", "GET", 404],
  ])("%s with key %j by %s answers %i", (path, key, method, status) => {
    expect(ask(path, key, method).status).toBe(status);
  });

  it("answers the same forecast for the same place", async () => {
    const [first, second] = [await ask(PLACE).json(), await ask(PLACE).json()];
    expect(first).toEqual({
      place: { latitude: 52.52, longitude: 13.41 },
      temperature_c: expect.any(Number),
      summary: expect.any(String),
    });
    expect(second).toEqual(first);
    expect(await ask("/v1/forecast?latitude=-0&longitude=180").json()).not.toEqual(first);
  });

  it("does not ask for a key that it was not given", () => {
    expect(createDemo({ key: "other" })(new Request(`http://x${PLACE}`)).status).toBe(401);
  });
});
