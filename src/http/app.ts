/** The app: every route, wrapped in what happens to every request. Nothing here knows what a tool is. */
import { Hono } from "hono";
import type { Gateway } from "../gateway/index.ts";
import { authenticate } from "./authenticate.ts";
import type { App, AppEnv, AppOptions, LogEntry, Route } from "./context.ts";
import { LOOPBACK_HOSTS, refuseAtDoor } from "./door.ts";
import { answerProblem, PlainError } from "./problem.ts";
import { accountRoutes } from "./routes/accounts.ts";
import { documentRoutes } from "./routes/documents.ts";
import { keyRoutes } from "./routes/keys.ts";
import { logRoutes } from "./routes/log.ts";
import { operateRoutes } from "./routes/operate.ts";
import { recordRoutes } from "./routes/records.ts";
import { runRoutes } from "./routes/runs.ts";
import { toolRoutes } from "./routes/tools.ts";

/**
 * Builds the HTTP door of a gateway.
 *
 * @param gateway answers every question; this room only carries them
 * @param options see {@link AppOptions} for what each defaults to
 * @returns a Hono app; its `fetch` is what a server is given
 *
 * @example
 * ```ts
 * const app = createApp(gateway, { version: "0.1.0", baseUrl: "http://127.0.0.1:8787", clock, entropy, log: console.log });
 * const response = await app.request("http://127.0.0.1:8787/healthz");
 * ```
 */
export function createApp(gateway: Gateway, options: AppOptions): Hono<AppEnv> {
  const app: App = {
    gateway,
    version: options.version,
    baseUrl: options.baseUrl,
    clock: options.clock,
    entropy: options.entropy,
    log: options.log,
    allowedHosts: options.allowedHosts ?? LOOPBACK_HOSTS,
    allowedOrigins: options.allowedOrigins ?? [],
    maxBodyBytes: options.maxBodyBytes ?? 1_048_576,
    maxHeaderBytes: options.maxHeaderBytes ?? 16_384,
    bodyTimeoutMs: options.bodyTimeoutMs ?? 10_000,
  };

  const hono = new Hono<AppEnv>();
  hono.use(async (context, next) => {
    const startedMs = app.clock.monotonicMs();
    const entry: LogEntry = { route: "none" };
    context.set("entry", entry);
    const refused = refuseAtDoor(context.req.raw, app);
    if (refused !== undefined) context.res = answerProblem(refused, app, entry);
    else await next();
    const ms = Math.round((app.clock.monotonicMs() - startedMs) * 1000) / 1000;
    app.log({ event: "request", method: context.req.method, status: context.res.status, ms, ...entry });
  });
  hono.onError((error, context) => answerProblem(error, app, context.get("entry")));
  hono.notFound((context) =>
    answerProblem(new PlainError(404, "There is nothing here"), app, context.get("entry")),
  );

  const routes = [
    ...toolRoutes(app),
    ...runRoutes(app),
    ...accountRoutes(app),
    ...keyRoutes(app),
    ...documentRoutes(app),
    ...logRoutes(app),
    ...operateRoutes(app),
    ...recordRoutes(app),
  ];
  for (const route of routes) {
    hono.on(route.method, route.path, async (context) => {
      const entry = context.get("entry");
      entry.route = route.path;
      try {
        await authenticate(context, app, route);
        return await route.handler(context);
      } catch (error) {
        // Not left to onError: Hono lets a thrown value that is no Error pass, out of the app and into the server.
        return answerProblem(error, app, entry);
      }
    });
  }
  refuseOtherMethods(hono, routes);
  return hono;
}

/** A path that exists, asked for with a method it does not have: 405 and what it has. Registered last, so tried last. */
function refuseOtherMethods(hono: Hono<AppEnv>, routes: readonly Route[]): void {
  for (const path of new Set(routes.map((route) => route.path))) {
    const methods = routes.filter((route) => route.path === path).map(({ method }) => method);
    const allow = methods.flatMap((method) => (method === "GET" ? ["GET", "HEAD"] : [method])).join(", ");
    hono.all(path, (context) => {
      context.get("entry").route = path;
      throw new PlainError(405, `This resource answers ${allow}`, { allow });
    });
  }
}
