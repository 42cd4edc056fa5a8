/** Who asks: the first step of every route under `/v1`, before a byte of the body is read. */
import type { Principal } from "../core/policy/index.ts";
import type { App, AppContext } from "./context.ts";

/**
 * @param context notes the tenant in its log entry
 * @throws {GatewayError} `unauthenticated`
 */
export async function authenticate(context: AppContext, app: App): Promise<Principal> {
  const principal = await app.gateway.authenticate(context.req.header("authorization"));
  context.get("entry").tenant = principal.tenant;
  return principal;
}
