/** Who asks, and whether his credentials have the scope: the first step of every route that is not public. */
import { GatewayError } from "../core/errors.ts";
import { hasScope, type Principal } from "../core/policy/index.ts";
import type { App, AppContext, Route } from "./context.ts";

/**
 * Called for every route, before its handler and before a byte of the body is read.
 *
 * @param context notes the tenant in its log entry
 * @throws {GatewayError} `unauthenticated`, `insufficient-scope`, `identity-unavailable`
 */
export async function authenticate(context: AppContext, app: App, route: Route): Promise<void> {
  const { scope } = route;
  if (scope === "public") return;
  const principal = await app.gateway.authenticate(context.req.header("authorization"));
  context.get("entry").tenant = principal.tenant;
  if (route.decided !== true && !hasScope(principal.scopes, scope)) {
    throw new GatewayError(`Cannot serve ${route.path}: principal "${principal.id}" lacks scope "${scope}"`, {
      code: "insufficient-scope",
      scope,
      decision: "",
    });
  }
  context.set("principal", principal);
}

/**
 * Who asks.
 *
 * @throws {TypeError} in the handler of a public route: a bug
 */
export function principalOf(context: AppContext): Principal {
  const principal = context.get("principal");
  if (principal === undefined) throw new TypeError("Cannot say who asks: the route is public");
  return principal;
}
