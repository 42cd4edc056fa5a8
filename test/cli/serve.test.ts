/** What `writ serve` hands to the server, what it prints, and how it stops. */
import { describe, expect, it } from "vitest";
import type { RunningServer, ServeConfig } from "../../src/cli/index.ts";
import { cli } from "./support.ts";

const HASH = { name: "hash", functions: ["hash/sha256"], purposes: ["support-chat"] };
const ROGUE = { name: "rogue", functions: ["rogue/reach-host"], purposes: ["security-drill"] };

function fakeServer(changes: Partial<RunningServer> = {}): RunningServer {
  return {
    url: "http://127.0.0.1:4242",
    tools: [HASH, ROGUE],
    stopped: Promise.resolve(),
    reload: async () => undefined,
    stop: async () => undefined,
    ...changes,
  };
}

describe("serve", () => {
  it("ends with 2 and one line when the server does not start", async () => {
    const startServer = () => Promise.reject(new Error("listen EADDRINUSE: address already in use"));
    const { code, err } = await cli(["serve"], { startServer });
    expect(code).toBe(2);
    expect(err).toBe("writ: listen EADDRINUSE: address already in use");
  });

  it("ends with 2 when the server fails later", async () => {
    const failure = Promise.withResolvers<void>();
    const { code, err } = await cli(["serve"], {
      startServer: async () => {
        queueMicrotask(() => queueMicrotask(() => failure.reject(new Error("the store is gone"))));
        return fakeServer({ stopped: failure.promise });
      },
    });
    expect(code).toBe(2);
    expect(err).toMatch(/the store is gone/);
  });

  it("refuses arguments and flags that it does not know", async () => {
    expect((await cli(["serve", "here"])).code).toBe(2);
    expect((await cli(["serve", "--prot", "1"])).err).toMatch(/unknown option '--prot'/);
  });

  it("prints the key once, and never inside a command to paste", async () => {
    const server = fakeServer({ bootstrapKey: "writ_secret" });
    const { code, out } = await cli(["serve"], { startServer: async () => server });
    expect(code).toBe(0);
    expect(out.split("writ_secret")).toHaveLength(2);
    expect(out).toContain("http://127.0.0.1:4242/v1/tools/hash/sha256");
    expect(out).toContain("http://127.0.0.1:4242/v1/tools/rogue/reach-host");
  });

  it("offers no call that the loaded tools would not serve", async () => {
    const tools = [{ ...HASH, purposes: ["benchmark"] }];
    const { out } = await cli(["serve"], { startServer: async () => fakeServer({ tools }) });
    expect(out).not.toContain("curl");
    expect(out).toContain("writ keys issue --label me\n");
  });

  it("says how to issue a key that it takes: of a tenant in the list, in its data folder", async () => {
    const server = fakeServer({ tenants: ["acme", "globex"] });
    const { out } = await cli(["serve", "--data", "elsewhere"], { startServer: async () => server });
    expect(out).toContain("writ keys issue --label me --tenant acme --data elsewhere\n");
    const listed = fakeServer({ tenants: ["acme", "default"] });
    const own = await cli(["serve"], { startServer: async () => listed });
    expect(own.out).toContain("writ keys issue --label me\n");
  });

  it("hands over the configuration, and with --json prints one line on standard output", async () => {
    let given: ServeConfig | undefined;
    const { code, out, err } = await cli(["serve", "--json", "--port", "0", "--demo"], {
      startServer: async (config, say) => {
        given = config;
        say("doing this");
        return fakeServer();
      },
    });
    expect(code).toBe(0);
    expect(given).toMatchObject({ port: 0, demo: true, host: "127.0.0.1" });
    expect(JSON.parse(out)).toMatchObject({ url: "http://127.0.0.1:4242", bootstrapKey: null });
    expect(out).not.toContain("\n");
    expect(err).toBe("doing this");
  });

  it("stops at a signal and ends when the server has stopped", async () => {
    const done = Promise.withResolvers<void>();
    let stops = 0;
    const server = fakeServer({
      stopped: done.promise,
      stop: async () => {
        stops += 1;
        done.resolve();
      },
    });
    const { code, err } = await cli(["serve"], {
      startServer: async () => server,
      onStopSignal: (action) => queueMicrotask(action),
    });
    expect({ code, stops }).toEqual({ code: 0, stops: 1 });
    expect(err).toMatch(/stopping/);
  });
});
