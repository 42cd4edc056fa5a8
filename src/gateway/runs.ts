/** Runs as their own tenant sees them afterwards. */
import { GatewayError } from "../core/errors.ts";
import { explainRun, type OutcomeKind, predicateOf, type RunExplanation } from "../core/manifest/index.ts";
import type { Principal } from "../core/policy/index.ts";
import type { Evidence } from "../evidence/index.ts";
import type { RunRow, Store } from "../ports/index.ts";
import { requireScope } from "./scope.ts";
import type { RunPage, RunPageRequest, RunSummary } from "./types.ts";

/** @throws {GatewayError} `insufficient-scope` without scope `evidence` */
export async function listRuns(store: Store, principal: Principal, page: RunPageRequest): Promise<RunPage> {
  requireScope(principal, "evidence");
  // One more than asked for tells whether a next page exists.
  const rows = await store.listRuns(principal.tenant, page.limit + 1, page.before);
  const shown = rows.slice(0, page.limit);
  const last = shown.at(-1);
  return {
    runs: shown.map((row) => summarise(row)),
    ...(rows.length > page.limit && last !== undefined ? { next: last.intent.run } : {}),
  };
}

/** @throws {GatewayError} `insufficient-scope`, `unknown-tool` */
export async function findRun(store: Store, principal: Principal, run: string): Promise<RunSummary> {
  return summarise(await requireRun(store, principal, run));
}

/**
 * @param proof `cosigned`: leading to a checkpoint that enough witnesses cosigned
 * @throws {GatewayError} `insufficient-scope`, `unknown-tool`, `evidence-unavailable` while the run is open, or no
 *   cosigned checkpoint covers it
 */
export async function findManifest(
  store: Store,
  evidence: Pick<Evidence, "manifest" | "cosigned">,
  principal: Principal,
  run: string,
  proof?: "cosigned",
): Promise<string> {
  const { seal } = await requireRun(store, principal, run);
  if (seal !== undefined && proof === undefined) return await evidence.manifest(seal);
  if (seal !== undefined) {
    const note = evidence.cosigned();
    const text = note === undefined ? "" : await evidence.manifest(seal, note);
    if (note !== undefined && text.includes(JSON.stringify(note))) return text;
    throw new GatewayError(`Cannot show the manifest of ${run}: no cosigned checkpoint covers it yet`, {
      code: "evidence-unavailable",
      retryAfterSeconds: 1,
    });
  }
  throw new GatewayError(`Cannot show the manifest of ${run}: the run is open`, {
    code: "evidence-unavailable",
    retryAfterSeconds: 1,
  });
}

/**
 * Why a run was allowed or denied what it asked for.
 *
 * @throws {GatewayError} `denied`, `unknown-tool`, `evidence-unavailable` while the run is open, or when its manifest is
 *   of a version that this one can not read
 */
export async function explain(store: Store, principal: Principal, run: string): Promise<RunExplanation> {
  const { seal } = await requireRun(store, principal, run);
  const predicate = seal === undefined ? undefined : predicateOf(seal.bundle);
  if (predicate !== undefined) return explainRun(predicate);
  const why = seal === undefined ? "the run is open" : "its manifest is of another version";
  throw new GatewayError(`Cannot explain ${run}: ${why}`, {
    code: "evidence-unavailable",
    retryAfterSeconds: 1,
  });
}

async function requireRun(store: Store, principal: Principal, run: string): Promise<RunRow> {
  requireScope(principal, "evidence");
  const row = await store.findRun(principal.tenant, run);
  if (row !== undefined) return row;
  throw new GatewayError(`Cannot find run "${run}" in tenant "${principal.tenant}"`, {
    code: "unknown-tool",
  });
}

function summarise({ intent, seal }: RunRow): RunSummary {
  const open: RunSummary = {
    run: intent.run,
    tool: intent.tool,
    function: intent.function,
    outcome: "open",
    admittedAt: new Date(intent.admittedAtMs).toISOString(),
  };
  if (seal === undefined) return open;
  return {
    ...open,
    // Written by ourselves from the union's own names.
    outcome: seal.outcome as OutcomeKind,
    sealedAt: new Date(seal.sealedAtMs).toISOString(),
    receipt: { sequence: seal.sequence, digest: seal.digest, keyId: signerOf(seal.bundle) },
  };
}

/** The key that signed a bundle of ours: it need not be the one that signs today. */
function signerOf(bundle: string): string {
  // Written by ourselves; the shape is `createBundle`'s.
  const { verificationMaterial } = JSON.parse(bundle) as {
    readonly verificationMaterial: { readonly publicKey: { readonly hint: string } };
  };
  return verificationMaterial.publicKey.hint;
}
