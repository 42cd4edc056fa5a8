import { defineConfig } from "vitest/config";

// Under Deno, vitest would resolve `#runtime` to the Node half and every test would still pass: name the
// condition of the runtime that is running. test/contract/runtime.test.ts asserts that this took effect.
const conditions =
  "Deno" in globalThis ? ["deno", "import", "module", "default"] : ["node", "import", "module", "default"];

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: ["test/support/global-setup.ts"],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    pool: "forks",
    maxWorkers: 2,
  },
});
