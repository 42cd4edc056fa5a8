/** What the same runtime and the same Hono give when nothing is done: parses a JSON body and sends it back. */
import { Hono } from "hono";
import { runtime } from "#runtime";

const app = new Hono();
app.post("/v1/tools/:tool/:interface/:function", async (context) => context.json(await context.req.json()));
const server = await runtime.serve((request) => app.fetch(request), { hostname: "127.0.0.1", port: 0 });
runtime.print(JSON.stringify({ url: `http://127.0.0.1:${server.port}` }));
runtime.onStopSignal(() => void server.close());
