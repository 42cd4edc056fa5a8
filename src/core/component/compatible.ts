/**
 * Which versions of an interface may stand in for each other. Semantic versions within one line are compatible:
 * the major number, or below 1.0 the minor one, or below 0.1 only the very same patch. A newer import than the
 * offer is fine too, as long as each function it uses is offered; the import check asks for that by type.
 *
 * @see https://github.com/WebAssembly/component-model/blob/main/design/mvp/Explainer.md#-canonical-interface-name
 */
import { type InterfaceId, parseInterfaceId } from "./names.ts";

/**
 * Whether two versions are of one compatible line.
 *
 * Absent versions are compatible with absent ones only; pre-releases (`1.0.0-rc.1`) only with themselves.
 *
 * @example
 * ```ts
 * import { compatibleVersions } from "./compatible.ts";
 * if (!compatibleVersions("0.2.3", "0.2.12")) throw new Error("patches of 0.2 are compatible");
 * if (compatibleVersions("0.2.12", "0.3.0")) throw new Error("0.3 is another line");
 * ```
 */
export function compatibleVersions(one: string | undefined, other: string | undefined): boolean {
  if (one === other) return true;
  if (one === undefined || other === undefined) return false;
  if (one.includes("-") || other.includes("-")) return false;
  return versionLine(one) === versionLine(other);
}

/** Whether two interface ids name the same interface in compatible versions. */
export function compatibleIds(one: InterfaceId, other: InterfaceId): boolean {
  return (
    one.namespace === other.namespace &&
    one.package === other.package &&
    one.name === other.name &&
    compatibleVersions(one.version, other.version)
  );
}

/** {@link compatibleIds} for full names; plain names are compatible when they are equal. */
export function compatibleInterfaces(one: string, other: string): boolean {
  if (one === other) return true;
  const [first, second] = [parseInterfaceId(one), parseInterfaceId(other)];
  return typeof first !== "string" && typeof second !== "string" && compatibleIds(first, second);
}

function versionLine(version: string): string {
  const [major = "", minor = "", patch = ""] = (version.split("+")[0] ?? "").split(".");
  if (major !== "0") return major;
  return minor !== "0" ? `0.${minor}` : `0.0.${patch}`;
}
