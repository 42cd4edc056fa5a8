/** What anybody may read without credentials: health, keys, schemas, the OpenAPI document and the pages. */
import { accepts } from "hono/accepts";
import { predicateSchema } from "../../core/manifest/index.ts";
import { CAPABILITIES, policySchema } from "../../core/policy/index.ts";
import { answerJson, answerPage, answerPublic } from "../answers.ts";
import type { App, AppContext, Route } from "../context.ts";
import { describeApi } from "../openapi.ts";
import { homePage } from "../pages/home.ts";
import { manifestPage } from "../pages/manifest.ts";
import { problemDocument, problemPage } from "../pages/problem.ts";
import { ICON, STYLE } from "../pages/style.ts";
import { PlainError } from "../problem.ts";
import { REFUSAL_CODES } from "../problem-table.ts";

/** Public routes. Everything that does not change is rendered here, once. */
export function documentRoutes(app: App): readonly Route[] {
  const home = homePage(app);
  const openapi = JSON.stringify(describeApi(app), null, 2);
  const capabilities = JSON.stringify({ capabilities: CAPABILITIES }, null, 2);
  const policy = JSON.stringify(policySchema(), null, 2);
  const executionManifest = JSON.stringify(predicateSchema(), null, 2);
  const problems = new Map(
    REFUSAL_CODES.map((code) => [
      code as string, // A string from a URL is looked up here.
      { html: problemPage(code, app), json: JSON.stringify(problemDocument(code, app), null, 2) },
    ]),
  );

  const problem = (context: AppContext): Response => {
    const found = problems.get(context.req.param("code") ?? "");
    if (found === undefined) throw new PlainError(404, "There is no problem of that code");
    const supports = ["text/html", "application/json"];
    const type = accepts(context, { header: "Accept", supports, default: "text/html" });
    return type === "application/json"
      ? answerPublic(found.json, "application/json", { vary: "Accept" })
      : answerPage(found.html, { vary: "Accept" });
  };

  const manifest = manifestPage(app.version);
  const manifestVersion = (context: AppContext): Response => {
    const supports = ["text/html", "application/schema+json", "application/json"];
    const type = accepts(context, { header: "Accept", supports, default: "text/html" });
    return type === "text/html"
      ? answerPage(manifest, { vary: "Accept" })
      : answerPublic(executionManifest, "application/schema+json", { vary: "Accept" });
  };

  return [
    { method: "GET", path: "/execution-manifest/v1", scope: "public", handler: manifestVersion },
    { method: "GET", path: "/", scope: "public", handler: () => answerPage(home) },
    {
      method: "GET",
      path: "/style.css",
      scope: "public",
      handler: () => answerPublic(STYLE, "text/css; charset=utf-8"),
    },
    { method: "GET", path: "/icon.svg", scope: "public", handler: () => answerPublic(ICON, "image/svg+xml") },
    { method: "GET", path: "/healthz", scope: "public", handler: () => answerJson({ status: "ok" }) },
    { method: "GET", path: "/readyz", scope: "public", handler: () => answerReadiness(app) },
    {
      method: "GET",
      path: "/openapi.json",
      scope: "public",
      handler: () => answerPublic(openapi, "application/json"),
    },
    { method: "GET", path: "/problems/:code", scope: "public", handler: problem },
    { method: "GET", path: "/.well-known/jwks.json", scope: "public", handler: () => answerKeys(app) },
    {
      method: "GET",
      path: "/capabilities",
      scope: "public",
      handler: () => answerPublic(capabilities, "application/json"),
    },
    {
      method: "GET",
      path: "/schemas/policy.json",
      scope: "public",
      handler: () => answerPublic(policy, "application/schema+json"),
    },
    {
      method: "GET",
      path: "/schemas/execution-manifest.json",
      scope: "public",
      handler: () => answerPublic(executionManifest, "application/schema+json"),
    },
  ];
}

/** 200 or 503, so that a load balancer needs to read nothing more. */
async function answerReadiness(app: App): Promise<Response> {
  const readiness = await app.gateway.ready();
  return answerJson(readiness, readiness.ready ? 200 : 503);
}

async function answerKeys(app: App): Promise<Response> {
  return answerPublic(JSON.stringify(await app.gateway.jwks()), "application/jwk-set+json");
}
