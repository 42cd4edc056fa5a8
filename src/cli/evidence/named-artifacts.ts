/**
 * What manifests name by digest: whether the very component and the very policy are kept, and what that policy asks
 * manifests to say. Nothing is believed but digests: whoever kept them may have kept something else.
 */
import { sha256Hex } from "../../core/digest.ts";
import type { RunPredicate } from "../../core/manifest/index.ts";
import { PolicyError, readPolicy } from "../../core/policy/index.ts";
import type { KnownOfRun } from "../../evidence/index.ts";
import { artifactPath } from "./audit-source.ts";

/** Looks for them, each once. */
export class NamedArtifacts {
  readonly #read: (path: string) => Promise<Uint8Array | undefined>;
  readonly #fault: (text: string) => void;
  readonly #components = new Map<string, Promise<readonly string[]>>();
  readonly #policies = new Map<string, Promise<KnownOfRun>>();

  /**
   * @param read a file of the evidence, by its path; undefined when it is missing
   * @param fault told once of each that is missing or wrong
   */
  constructor(read: (path: string) => Promise<Uint8Array | undefined>, fault: (text: string) => void) {
    this.#read = read;
    this.#fault = fault;
  }

  /** @returns what is missing of what a run's manifest names, and what its policy requires */
  async look({ decision, policy_id: policyId, artifact_hash: digest }: RunPredicate): Promise<KnownOfRun> {
    // Of a denial nothing ran, and often no policy spoke.
    if (decision.effect === "deny" || policyId === null) return { lacks: [] };
    const component = await remember(this.#components, digest, () => this.#component(digest));
    const policy = await remember(this.#policies, policyId, () => this.#policy(policyId));
    return { ...policy, lacks: [...component, ...policy.lacks] };
  }

  async #component(digest: string): Promise<readonly string[]> {
    const bytes = await this.#find("components", digest);
    return bytes === undefined ? [`its component ${digest} is not kept`] : [];
  }

  async #policy(policyId: string): Promise<KnownOfRun> {
    const bytes = await this.#find("policies", policyId);
    if (bytes === undefined) return { lacks: [`its policy ${policyId} is not kept`] };
    try {
      const { policy } = readPolicy(new TextDecoder().decode(bytes), policyId);
      return { lacks: [], required: policy.required_observability_fields };
    } catch (error) {
      if (!(error instanceof PolicyError)) throw error;
      return { lacks: [`its policy ${policyId} is none that this Writ reads`] };
    }
  }

  async #find(kind: "components" | "policies", digest: string): Promise<Uint8Array | undefined> {
    const path = artifactPath(kind, digest);
    const bytes = await this.#read(path);
    if (bytes !== undefined && `sha256:${sha256Hex(bytes)}` === digest) return bytes;
    this.#fault(
      `${path}: ${bytes === undefined ? "missing, and manifests name it" : "not what its name says"}`,
    );
    return undefined;
  }
}

function remember<T>(known: Map<string, Promise<T>>, key: string, make: () => Promise<T>): Promise<T> {
  const found = known.get(key) ?? make();
  known.set(key, found);
  return found;
}
