/** A gateway that is closed while a run is under way that nobody waits for: it is sealed before the store is gone. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { runtime } from "#runtime";
import { openLocalGateway } from "../../src/local.ts";
import { openStore } from "../../src/stores/index.ts";
import { assemble } from "../support/components.ts";
import { temporaryFolder } from "../support/folder.ts";
import { WAIT_GUEST } from "../support/guests.ts";

/** Longer than everything else that closing takes. */
const SLOW_MS = 1_000;

const POLICY = JSON.stringify({
  ...{ tool_id: "wait", tenant_tier: ["free"], purpose: ["p"], functions: { run: { operation: "read" } } },
  max_duration_ms: 60_000,
  budget: { fuel: 1e9, memory_bytes: "4MiB", egress_bytes: 0, requests: 0, output_bytes: 1024, log_bytes: 0 },
});

it("seals what is under way although nobody waits for it, and has ended when it says so", async () => {
  const { path: dataFolder, remove } = await temporaryFolder();
  let isSlow = false;
  const gateway = await openLocalGateway(
    {
      ...runtime,
      signing: {
        async privateKey(...given) {
          const sign = await runtime.signing.privateKey(...given);
          return async (bytes) => {
            if (isSlow) await new Promise((resolve) => setTimeout(resolve, SLOW_MS));
            return await sign(bytes);
          };
        },
      },
    },
    {
      ...{ component: await assemble(WAIT_GUEST), tool: "wait", tier: "free", policyText: POLICY },
      ...{ policySource: "policy", dataFolder, profilesFile: undefined, allowAddresses: [], mounts: [] },
    },
  );
  const { principal } = gateway;
  const asked = gateway.gateway.invoke(principal, { tool: "wait", function: "run", purpose: "p", input: {} });
  const ended = asked.then(
    ({ outcome }) => outcome.kind,
    (error: unknown) => String(error),
  );
  const runs = async () => (await gateway.gateway.listRuns(principal, { limit: 2 })).runs;
  await expect.poll(runs).toHaveLength(1);
  isSlow = true;
  await gateway.close();
  const left = await readdir(dataFolder, { recursive: true });
  expect(await ended).toBe("revoked");

  const store = await openStore(runtime.openSqlite(join(dataFolder, "local.sqlite")));
  expect(await store.openRuns(Number.MAX_SAFE_INTEGER, 10)).toEqual([]);
  expect((await store.listSeals(0, 10)).map(({ seal }) => seal.outcome)).toEqual(["revoked"]);
  await store.close();
  expect(left.filter((name) => name.endsWith(".tmp") || name.endsWith("-wal"))).toEqual([]);
  await remove();
});
