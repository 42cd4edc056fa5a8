/** The HTTP door: routes, limits, problems, OpenAPI and pages. Carries questions to the gateway, decides nothing. */
export { createApp } from "./app.ts";
export type { AppEnv, AppOptions } from "./context.ts";
export { LOOPBACK_HOSTS } from "./door.ts";
