/** What a credential may do, asked again where it is done: the door has asked already, and there may be other doors. */
import { GatewayError } from "../core/errors.ts";
import { hasScope, type Principal, type ScopeName } from "../core/policy/index.ts";

/** @throws {GatewayError} `insufficient-scope` */
export function requireScope(principal: Principal, scope: ScopeName): void {
  if (hasScope(principal.scopes, scope)) return;
  throw new GatewayError(`Cannot serve: principal "${principal.id}" has no scope "${scope}"`, {
    code: "insufficient-scope",
    scope,
    decision: "",
  });
}
