/** Tasks and what they cost, as far as a principal may report and see them. */
import type { Books, ChargebackPage, ChargebackRequest, TaskReport } from "../accounts/index.ts";
import { GatewayError } from "../core/errors.ts";
import type { Principal, ScopeName } from "../core/policy/index.ts";
import type { TaskOutcome } from "../ports/index.ts";

/** @throws {GatewayError} `insufficient-scope`, `unknown-tool`, `task-closed` */
export async function reportOutcome(
  books: Books,
  principal: Principal,
  task: string,
  outcome: TaskOutcome,
): Promise<TaskReport> {
  // A task may be of many tools: what may run one of them alone may not say how all of it ended.
  requireScope(principal, "invoke", "report a task's outcome");
  return await books.reportOutcome(principal.tenant, task, outcome);
}

/**
 * @param request `where.tenant`: another tenant, or `*` for all of them, is for operators
 * @throws {GatewayError} `insufficient-scope`, `invalid-request`
 */
export async function chargeback(
  books: Books,
  principal: Principal,
  request: ChargebackRequest,
): Promise<ChargebackPage> {
  const { tenant = principal.tenant, ...where } = request.where;
  requireScope(principal, tenant === principal.tenant ? "evidence" : "operate", "read the chargeback");
  return await books.chargeback({ ...request, where: tenant === "*" ? where : { ...where, tenant } });
}

function requireScope(principal: Principal, scope: ScopeName, what: string): void {
  if (principal.scopes.includes(scope)) return;
  throw new GatewayError(`Cannot ${what}: principal "${principal.id}" has no scope "${scope}"`, {
    code: "insufficient-scope",
    scope,
    decision: "",
  });
}
