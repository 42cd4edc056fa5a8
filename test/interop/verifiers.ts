/** Other people's verifiers, as the checks see them: found or not, and then one yes or no for each bundle. */
import { spawnSync } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { runtime } from "#runtime";
import {
  decodeBase64,
  encodeBase64,
  PAYLOAD_TYPE,
  PREDICATE_TYPE,
  pae,
  parseTrust,
  thumbprint,
  verifyBundle,
} from "../../src/core/manifest/index.ts";
import { verifySignature } from "../../src/identity/index.ts";
import type { Samples } from "./samples.ts";

/** What is put to a verifier. */
export interface Question {
  readonly bundle: unknown;
  readonly trustedRootFile: string;
  readonly blobFile: string;
}

/** A verifier that was found. */
export interface Verifier {
  readonly name: string;
  /** Whether it looks at the log; one that does not can only be asked about signatures. */
  readonly knowsLogs: boolean;
  /** Whether it looks at the output that a manifest is about. */
  readonly knowsBlobs: boolean;
  /** Whether it reads every member, those too that it could do without. */
  readonly readsAll: boolean;
  accepts(question: Question): Promise<boolean>;
}

/** Looks for one. @returns the reason when it is not there */
export type FindVerifier = (samples: Samples, folder: string) => Promise<Verifier | string>;

/** Our own, asked the same. */
export const findOurs: FindVerifier = async (samples) => {
  const spki = encodeBase64(samples.spki);
  const keys = [{ keyId: thumbprint(samples.spki), spki, validFromMs: 0 }];
  return {
    name: "writ",
    knowsLogs: true,
    knowsBlobs: true,
    readsAll: true,
    async accepts({ bundle, trustedRootFile, blobFile }) {
      const root = parseTrust(await readFile(trustedRootFile));
      if (!root.ok) throw new Error("Cannot read trusted root");
      const bytes = new TextEncoder().encode(JSON.stringify(bundle));
      const trust = { keys, logs: root.trust.logs, logRequired: true };
      const comparison = { output: await readFile(blobFile) };
      return (await verifyBundle(bytes, trust, verifySignature, comparison)).ok;
    },
  };
};

/** Sigstore's own command line. WRIT_COSIGN names it; default: `cosign` of the path. */
export const findCosign: FindVerifier = async (samples, folder) => {
  const command = process.env["WRIT_COSIGN"] ?? "cosign";
  const version = spawnSync(command, ["version", "--json"], { encoding: "utf8" });
  if (version.status !== 0) return `${command} is not installed`;
  const file = join(folder, "cosign.sigstore.json");
  return {
    name: `cosign ${/"gitVersion":\s*"([^"]+)"/.exec(version.stdout)?.[1] ?? ""}`,
    knowsLogs: true,
    knowsBlobs: true,
    readsAll: false,
    async accepts({ bundle, trustedRootFile, blobFile }) {
      await writeFile(file, JSON.stringify(bundle));
      const args = ["verify-blob-attestation", "--bundle", file, "--key", samples.keyFile];
      const trust = ["--trusted-root", trustedRootFile, "--type", PREDICATE_TYPE];
      return spawnSync(command, [...args, ...trust, blobFile]).status === 0;
    },
  };
};

/** Sigstore's library for JavaScript. WRIT_INTEROP_MODULES names a folder with its packages; default: ours. */
export const findSigstoreJs: FindVerifier = async (samples) => {
  // It asks `crypto.verify` for the digest that goes with the key, and Deno has none for P-256.
  if (runtime.name === "deno") return "@sigstore/verify does not verify P-256 on Deno";
  const folder = process.env["WRIT_INTEROP_MODULES"] ?? process.cwd();
  const require = createRequire(join(folder, "package.json"));
  // biome-ignore lint/suspicious/noExplicitAny: packages that may not be here, so their types are not either
  let packages: Record<"bundle" | "specs" | "verify" | "version", any>;
  try {
    packages = {
      bundle: require("@sigstore/bundle"),
      specs: require("@sigstore/protobuf-specs"),
      verify: require("@sigstore/verify"),
      version: require("@sigstore/verify/package.json"),
    };
  } catch {
    return `@sigstore/verify is not installed in ${folder}`;
  }
  const { createPublicKey } = await import("node:crypto");
  const der = Buffer.from(samples.spki);
  const key = {
    publicKey: createPublicKey({ key: der, format: "der", type: "spki" }),
    validFor: () => true,
  };
  return {
    name: `@sigstore/verify ${packages.version.version}`,
    knowsLogs: true,
    knowsBlobs: false,
    readsAll: false,
    async accepts({ bundle, trustedRootFile }) {
      const root = packages.specs.TrustedRoot.fromJSON(JSON.parse(await readFile(trustedRootFile, "utf8")));
      const trust = packages.verify.toTrustMaterial(root, () => key);
      const verifier = new packages.verify.Verifier(trust, { tlogThreshold: 1, timestampThreshold: 0 });
      try {
        verifier.verify(packages.verify.toSignedEntity(packages.bundle.bundleFromJSON(bundle)));
        return true;
      } catch {
        return false;
      }
    },
  };
};

/** openssl, over the bytes that were signed. It knows neither bundles nor logs. */
export const findOpenssl: FindVerifier = async (samples, folder) => {
  const version = spawnSync("openssl", ["version"], { encoding: "utf8" });
  if (version.status !== 0) return "openssl is not installed";
  const file = (name: string) => join(folder, `openssl.${name}`);
  return {
    name: version.stdout.split(" ").slice(0, 2).join(" "),
    knowsLogs: false,
    knowsBlobs: false,
    readsAll: false,
    async accepts({ bundle }) {
      // Our own samples, forged or not, all have these members.
      const { payload, payloadType, signatures } = (bundle as Samples["honest"][number]).dsseEnvelope;
      if (payloadType !== PAYLOAD_TYPE) return false;
      await writeFile(file("pae"), pae(payloadType, decodeBase64(payload) ?? new Uint8Array()));
      await writeFile(file("sig"), decodeBase64(signatures[0].sig) ?? new Uint8Array());
      const args = ["dgst", "-sha256", "-verify", samples.keyFile, "-signature", file("sig"), file("pae")];
      return spawnSync("openssl", args).status === 0;
    },
  };
};
