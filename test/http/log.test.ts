/** The log over HTTP: hostile paths first, then what is served, as what, and for how long it may be kept. */
import { describe, expect, it } from "vitest";
import { GatewayError } from "../../src/core/errors.ts";
import { createTestApp, invocation } from "./support.ts";

const get = (path: string) => invocation({ path, method: "GET", headers: { authorization: "" } });

describe("GET /tile/…", () => {
  const ABSENT = [
    "/tile/",
    "/tile/0",
    "/tile/0/0",
    "/tile/0/000/",
    "/tile/0/000.p/0",
    "/tile/0/000.p/256",
    "/tile/64/000",
    "/tile/00/000",
    "/tile/0/x000/001",
    "/tile/0/%2e%2e/000",
    "/tile/entries/000.p/7",
    "/tile/0/000.p/255",
    `/tile/0/${"x001/".repeat(50)}001`,
  ];
  for (const path of ABSENT) {
    it(`is 404 for ${path.slice(0, 40)}`, async () => {
      const { app } = createTestApp();
      expect((await app.request(get(path))).status).toBe(404);
    });
  }

  for (const path of ["/tile/0/000", "/tile/1/x001/234", "/tile/entries/x001/x234/067"]) {
    it(`serves ${path}, for ever the same`, async () => {
      const response = await createTestApp().app.request(get(path));
      expect(response.status).toBe(200);
      expect(response.headers.get("content-type")).toBe("application/octet-stream");
      expect(response.headers.get("cache-control")).toBe("public, max-age=31536000, immutable");
      expect(response.headers.get("x-content-type-options")).toBe("nosniff");
      expect((await response.arrayBuffer()).byteLength).toBe(8192);
    });
  }
});

describe("GET /checkpoint", () => {
  it("is text that nobody may keep without asking", async () => {
    const response = await createTestApp().app.request(get("/checkpoint"));
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe("text/plain; charset=utf-8");
    expect(response.headers.get("cache-control")).toBe("no-cache");
    expect(await response.text()).toBe("log.example\n1\n");
  });

  it("is a problem while nothing can be signed or read", async () => {
    const { app, gateway } = createTestApp();
    gateway.fault = new GatewayError("down", { code: "evidence-unavailable", retryAfterSeconds: 5 });
    for (const path of ["/checkpoint", "/tile/0/000"]) {
      const response = await app.request(get(path));
      expect(response.status).toBe(503);
      expect(response.headers.get("retry-after")).toBe("5");
    }
  });
});
