/** The transparency log, for everybody: C2SP tlog-tiles. Digests only; nothing here says whose run it was. */
import { parseTilePath } from "../../core/merkle/index.ts";
import { answerBytes, answerPublic } from "../answers.ts";
import type { App, AppContext, Route } from "../context.ts";
import { PlainError } from "../problem.ts";

/** A tile's bytes never change, neither a full one's nor a partial one's. */
const FOR_EVER = "public, max-age=31536000, immutable";

/** Public routes of the log. */
export function logRoutes(app: App): readonly Route[] {
  return [
    { method: "GET", path: "/checkpoint", scope: "public", handler: () => answerCheckpoint(app) },
    {
      method: "GET",
      path: "/tile/:tile{.+}",
      scope: "public",
      handler: (context) => answerTile(context, app),
    },
    {
      method: "GET",
      path: "/trusted_root.json",
      scope: "public",
      handler: async () => answerPublic(await app.gateway.trustedRoot(), "application/json"),
    },
  ];
}

/** Signed when it is asked for, so that it is never behind the last seal. */
async function answerCheckpoint(app: App): Promise<Response> {
  const note = await app.gateway.checkpoint();
  return answerPublic(note, "text/plain; charset=utf-8", { "cache-control": "no-cache" });
}

async function answerTile(context: AppContext, app: App): Promise<Response> {
  const name = parseTilePath(context.req.path.slice(1));
  const bytes = name && (await app.gateway.logTile(name));
  if (bytes === undefined) throw new PlainError(404, "The log has no such tile");
  return answerBytes(bytes, { "content-type": "application/octet-stream", "cache-control": FOR_EVER });
}
