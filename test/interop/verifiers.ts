/** Other people's verifiers, as the checks see them: found or not, and then one yes or no for each bundle. */
import { spawnSync } from "node:child_process";
import { createHash, createPublicKey } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { runtime } from "#runtime";
import {
  decodeBase64,
  joinTrust,
  PAYLOAD_TYPE,
  PREDICATE_TYPE,
  pae,
  parseTrust,
  verifyBundle,
} from "../../src/core/manifest/index.ts";
import { signatureVerifier } from "../../src/identity/index.ts";
import { verifyManifest } from "./independent/verify.ts";
import type { SeenBy } from "./mutations.ts";
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
  /** What it notices: it is asked about nothing else. */
  readonly sees: readonly SeenBy[];
  /** Whether it looks at the output that a manifest is about. */
  readonly knowsBlobs: boolean;
  /** Whether it is a process of its own for each question, so that it is asked fewer. */
  readonly isSlow: boolean;
  accepts(question: Question): Promise<boolean>;
}

/** Looks for one. @returns the reason when it is not there */
export type FindVerifier = (samples: Samples, folder: string) => Promise<Verifier | string>;

/** Our own, asked the same. */
export const findOurs: FindVerifier = async (samples) => {
  const keys = parseTrust(await readFile(samples.keySetFile));
  if (!keys.ok) throw new Error("Cannot read the key set");
  const verify = signatureVerifier(runtime.verification);
  return {
    name: "writ",
    sees: ["signature", "log", "whole"],
    knowsBlobs: true,
    isSlow: false,
    async accepts({ bundle, trustedRootFile, blobFile }) {
      const root = parseTrust(await readFile(trustedRootFile));
      if (!root.ok) throw new Error("Cannot read trusted root");
      const bytes = new TextEncoder().encode(textOf(bundle));
      const trust = joinTrust([keys.trust, root.trust]);
      const comparison = { output: await readFile(blobFile) };
      return (await verifyBundle(bytes, trust, verify, comparison)).ok;
    },
  };
};

/** The verifier of this folder, which shares no code with ours. */
export const findIndependent: FindVerifier = async (samples) => {
  const { keys } = JSON.parse(await readFile(samples.keySetFile, "utf8"));
  return {
    name: "independent",
    sees: ["signature", "log", "whole"],
    knowsBlobs: true,
    isSlow: false,
    async accepts({ bundle, trustedRootFile, blobFile }) {
      try {
        const root = JSON.parse(await readFile(trustedRootFile, "utf8"));
        const { subject } = verifyManifest(textOf(bundle), keys, root);
        const digest = createHash("sha256")
          .update(await readFile(blobFile))
          .digest("hex");
        return subject.some((one: { digest: { sha256: string } }) => one.digest.sha256 === digest);
      } catch {
        return false;
      }
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
    sees: ["signature", "log"],
    knowsBlobs: true,
    isSlow: true,
    async accepts({ bundle, trustedRootFile, blobFile }) {
      await writeFile(file, textOf(bundle));
      const args = ["verify-blob-attestation", "--bundle", file, "--key", samples.keyFile];
      const trust = ["--trusted-root", trustedRootFile, "--type", PREDICATE_TYPE];
      return spawnSync(command, [...args, ...trust, blobFile]).status === 0;
    },
  };
};

/** Sigstore's library for JavaScript. */
export const findSigstoreJs: FindVerifier = async (samples) => {
  const require = createRequire(import.meta.url);
  const crypto = require("node:crypto");
  if (runtime.name === "deno") {
    // It leaves the digest to `crypto.verify`, which knows it from the key on Node; on Deno it has to be named.
    const { verify } = crypto;
    crypto.verify = (
      digest: string | null | undefined,
      data: unknown,
      key: { asymmetricKeyType?: string },
      sig: unknown,
    ) => verify(digest ?? (key.asymmetricKeyType === "ec" ? "sha256" : null), data, key, sig);
  }
  const specs: typeof import("@sigstore/protobuf-specs") = require("@sigstore/protobuf-specs");
  const verifying: typeof import("@sigstore/verify") = require("@sigstore/verify");
  const bundles: typeof import("@sigstore/bundle") = require("@sigstore/bundle");
  const { version } = require("@sigstore/verify/package.json");
  const der = Buffer.from(samples.spki);
  const key = {
    publicKey: createPublicKey({ key: der, format: "der", type: "spki" }),
    validFor: () => true,
  };
  return {
    name: `@sigstore/verify ${version}`,
    sees: ["signature", "log"],
    knowsBlobs: false,
    isSlow: false,
    async accepts({ bundle, trustedRootFile }) {
      const root = specs.TrustedRoot.fromJSON(JSON.parse(await readFile(trustedRootFile, "utf8")));
      const trust = verifying.toTrustMaterial(root, () => key);
      const verifier = new verifying.Verifier(trust, { tlogThreshold: 1, timestampThreshold: 0 });
      try {
        verifier.verify(verifying.toSignedEntity(bundles.bundleFromJSON(JSON.parse(textOf(bundle)))));
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
    sees: ["signature"],
    knowsBlobs: false,
    isSlow: true,
    async accepts({ bundle }) {
      // Our own samples, forged or not, all have these members.
      const { payload, payloadType, signatures } = (bundle as Samples["honest"][number]).dsseEnvelope;
      const [signature]: readonly { readonly sig: string }[] = signatures;
      if (payloadType !== PAYLOAD_TYPE || signature === undefined) return false;
      await writeFile(file("pae"), pae(payloadType, decodeBase64(payload) ?? new Uint8Array()));
      await writeFile(file("sig"), decodeBase64(signature.sig) ?? new Uint8Array());
      const args = ["dgst", "-sha256", "-verify", samples.keyFile, "-signature", file("sig"), file("pae")];
      return spawnSync("openssl", args).status === 0;
    },
  };
};

/** A forged document may be no JSON at all. */
function textOf(bundle: unknown): string {
  return typeof bundle === "string" ? bundle : JSON.stringify(bundle);
}
