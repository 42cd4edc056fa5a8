import { defineConfig } from "vitest/config";

// Under Deno, vitest would resolve `#runtime` to the Node half and every test would still pass: name the
// condition of the runtime that is running. test/contract/runtime.test.ts asserts that this took effect.
// `import` and `default` are always on, and must not be named: named, they would hold inside of `require` too.
const conditions = ["Deno" in globalThis ? "deno" : "node", "module"];

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: ["test/support/global-setup.ts"],
    // For what hangs. None of these is a limit that a test is about: a machine may be busy, and slow.
    testTimeout: 300_000,
    hookTimeout: 300_000,
    teardownTimeout: 60_000,
    expect: { poll: { timeout: 120_000, interval: 20 } },
    pool: "forks",
    maxWorkers: 2,
  },
});
