/** Files that are looked at, and a reload that can not be recorded: over real files, without executors. */

import { cp, mkdtemp, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { runtime } from "#runtime";
import type { SecretProfile } from "../../src/broker/index.ts";
import { readOffer } from "../../src/compose.ts";
import type { ActionPredicate } from "../../src/core/manifest/index.ts";
import { holdRegistry, type RegistryHolder } from "../../src/registry/index.ts";
import { loadOperatorFiles, Reloader, type ReloadParts, stampFiles } from "../../src/wiring/index.ts";
import { removeFolder } from "../support/folder.ts";
import { PROJECT, testConfig } from "../support/gateway.ts";

let folder: string;
let policy: string;
let registry: RegistryHolder;
let profiles: Map<string, SecretProfile>;
let said: string[];
let signed: ActionPredicate[];
let log: object[];
let signerFails: boolean;
let reloader: Reloader;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "writ-watch-"));
  await cp(join(PROJECT, ".writ/tools/hash"), join(folder, "tools/hash"), { recursive: true });
  policy = join(folder, "tools/hash/policy.yaml");
  [said, signed, log, signerFails] = [[], [], [], false];
  const places = testConfig(folder, { toolsFolder: join(folder, "tools") });
  const offer = await readOffer(runtime);
  const stamp = await stampFiles(runtime, places);
  const files = await loadOperatorFiles(runtime, places, offer);
  registry = holdRegistry(files.registry);
  profiles = new Map(files.profiles);
  // Only what a reload uses of a house. Looks come fifty times faster.
  const house = {
    sandbox: { prepare: async () => ({ bytes: 0, steps: [] }) },
    store: { ledger: { holdCurrency: async (currency?: string) => currency } },
    identity: { use: () => undefined, warm: async () => [] },
    evidence: {
      act: async (action: ActionPredicate) => {
        if (signerFails) throw new Error("signer down");
        signed.push(action);
      },
    },
  } as unknown as ReloadParts["house"];
  const after = (ms: number, action: () => void) => runtime.clock.after(ms / 50, action);
  reloader = new Reloader({
    runtime: { ...runtime, clock: { ...runtime.clock, after } },
    ...{ places, offer, house, files, stamp, registry, profiles },
    versions: { host: "node 1.0.0", writ: "0.1.0" },
    say: (line) => void said.push(line),
    log: (line) => void log.push(line),
  });
});
afterEach(() => removeFolder(folder));

async function change(from: string, to: string): Promise<void> {
  await writeFile(policy, (await readFile(policy, "utf8")).replace(from, to));
}

const durationMs = () => registry.current().find("hash")?.policies[0]?.policy.max_duration_ms;

describe("reload()", () => {
  it("does nothing that can not be signed", async () => {
    await change("max_duration_ms: 1000", "max_duration_ms: 2000");
    signerFails = true;
    await expect(reloader.reload("signal")).rejects.toThrow("signer down");
    expect([durationMs(), said]).toEqual([1000, []]);
    signerFails = false;
    expect((await reloader.reload("signal")).changes).toHaveLength(1);
    expect(durationMs()).toBe(2000);
    expect(signed).toMatchObject([{ kind: "reload", actor: "signal" }]);
    expect(signed[0]?.before).not.toBe(signed[0]?.after);
  });

  it("takes two at once one after the other", async () => {
    await change("max_duration_ms: 1000", "max_duration_ms: 2000");
    const both = await Promise.all([reloader.reload("a"), reloader.reload("b")]);
    expect(both.map(({ changes }) => changes.length)).toEqual([1, 0]);
  });

  it("tells of profiles whom they are for, and never the secret", async () => {
    const secret = "s3cr3t-of-the-profile";
    const file = join(folder, "profiles.yaml");
    const text = `api:\n  secret: { value: ${secret} }\n  audience: ["https://api.example.com"]\n  inject: { bearer: true }\n`;
    await runtime.files.write(file, text, { mode: 0o600 });
    const { changes } = await reloader.reload("signal");
    expect(changes).toEqual([expect.stringMatching(/^profiles\.api is .*https:\/\/api\.example\.com/)]);
    expect(profiles.get("api")?.secret.reveal()).toBe(secret);
    await runtime.files.write(file, text.replace("api.example.com", "b.example.com"), { mode: 0o600 });
    expect((await reloader.reload("signal")).changes).toEqual([
      'profiles.api.audience gains "https://b.example.com"',
      'profiles.api.audience loses "https://api.example.com"',
    ]);
    // A new secret under the same words is told of, and taken.
    await runtime.files.write(
      file,
      text.replace("api.example.com", "b.example.com").replace(secret, "other"),
      { mode: 0o600 },
    );
    expect((await reloader.reload("signal")).changes).toEqual(["profiles.api: has another secret"]);
    expect(profiles.get("api")?.secret.reveal()).toBe("other");
    expect(JSON.stringify([signed, said, log])).not.toMatch(/s3cr3t|"other"/);
  });
});

describe("watch()", () => {
  it("reloads when a file has changed and stands still, and tells a bad change once", async () => {
    const stop = reloader.watch();
    await change("max_duration_ms: 1000", "max_duration_ms: 3000");
    await expect.poll(durationMs).toBe(3000);
    await change("max_duration_ms: 3000", "max_duration_ms: soon");
    await expect.poll(() => log).toContainEqual(expect.objectContaining({ event: "not-reloaded" }));
    const told = log.length;
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect([log.length, durationMs()]).toEqual([told, 3000]);
    await change("max_duration_ms: soon", "max_duration_ms: 4000");
    await expect.poll(durationMs).toBe(4000);
    expect(signed.map(({ actor }) => actor)).toEqual(["file", "file"]);
    await stop();
    await change("max_duration_ms: 4000", "max_duration_ms: 5000");
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(durationMs()).toBe(4000);
  });
});
