/** Traces of a whole gateway, received by a collector that reads OTLP over HTTP strictly, as its JSON encoding is defined. */
import { cp, mkdtemp, readFile, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { removeFolder } from "../support/folder.ts";
import { openTestGateway, SAMPLE_TOOLS, type TestGateway } from "../support/gateway.ts";

const nanoseconds = z.string().regex(/^[1-9][0-9]{18}$/);
const value = z.union([
  z.strictObject({ stringValue: z.string() }),
  z.strictObject({ intValue: z.union([z.int(), z.string().regex(/^-?[0-9]+$/)]) }),
  z.strictObject({ doubleValue: z.number() }),
]);
const attributes = z.array(z.strictObject({ key: z.string().min(1), value }));
const dropped = z.literal(0);
/** opentelemetry/proto/trace/v1/trace.proto, ids in hex and enums as numbers: see the OTLP specification, JSON. */
const Span = z.strictObject({
  traceId: z.string().regex(/^(?!0{32})[0-9a-f]{32}$/),
  spanId: z.string().regex(/^(?!0{16})[0-9a-f]{16}$/),
  parentSpanId: z
    .string()
    .regex(/^[0-9a-f]{16}$/)
    .optional(),
  name: z.string().min(1),
  kind: z.union([z.literal(1), z.literal(2), z.literal(3)]),
  startTimeUnixNano: nanoseconds,
  endTimeUnixNano: nanoseconds,
  attributes,
  droppedAttributesCount: dropped,
  events: z.array(z.never()),
  droppedEventsCount: dropped,
  links: z.array(z.never()),
  droppedLinksCount: dropped,
  status: z.strictObject({ code: z.union([z.literal(0), z.literal(2)]) }),
  flags: z.int(),
});
const Export = z.strictObject({
  resourceSpans: z.array(
    z.strictObject({
      resource: z.strictObject({ attributes, droppedAttributesCount: dropped }),
      scopeSpans: z.array(
        z.strictObject({
          scope: z.strictObject({ name: z.literal("writ"), version: z.string() }),
          spans: z.array(Span),
        }),
      ),
    }),
  ),
});

const COLLECTOR_SECRET = "the-collector-wants-this";
const bodies: string[] = [];
let status = 200;
let collector: Server;
/** A service that is told of traces at one of its paths, and what it was told. */
let service: Server;
const told: { readonly path: string; readonly traceparent: unknown; readonly tracestate: unknown }[] = [];
let folder: string;
let gateway: TestGateway;

beforeAll(async () => {
  collector = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk) => {
      body += chunk;
    });
    request.on("end", () => {
      if (status === 200) {
        expect([request.method, request.url]).toEqual(["POST", "/v1/traces"]);
        expect(request.headers["content-type"]).toBe("application/json");
        expect(request.headers.authorization).toBe(`Bearer ${COLLECTOR_SECRET}`);
        bodies.push(body);
      }
      response.writeHead(status, { "content-type": "application/json" }).end("{}");
    });
  });
  await new Promise<void>((resolve) => collector.listen(0, "127.0.0.1", resolve));
  const { port } = collector.address() as AddressInfo;
  service = createServer(({ url = "", headers: { traceparent, tracestate } }, response) => {
    told.push({ path: url.replace(/\?.*/, ""), traceparent, tracestate });
    response
      .writeHead(200, {
        "content-type": "application/json",
        ...(traceparent && { traceresponse: traceparent }),
      })
      .end(JSON.stringify({ temperature_c: 1, summary: "fog" }));
  });
  await new Promise<void>((resolve) => service.listen(0, "127.0.0.1", resolve));
  folder = await mkdtemp(join(tmpdir(), "writ-traces-"));
  const weather = join(folder, "tools", "weather");
  await cp(join(SAMPLE_TOOLS, "weather"), weather, { recursive: true });
  const policy = await readFile(join(weather, "policy.yaml"), "utf8");
  const place = `host: 127.0.0.1, scheme: http, port: ${servicePort()}, methods: [GET]`;
  const rules = [
    `{ ${place}, paths: ["/traced"], trace_context: propagate }`,
    `{ ${place}, paths: ["/untraced"] }`,
  ];
  await writeFile(
    join(weather, "policy.yaml"),
    policy.replace("network_allowlist:", `network_allowlist:\n  - ${rules.join("\n  - ")}`),
  );
  const profilesFile = join(folder, "profiles.yaml");
  const profile = {
    secret: { value: COLLECTOR_SECRET },
    audience: [`http://127.0.0.1:${port}`],
    inject: { header: "authorization", template: "Bearer {secret}" },
  };
  await writeFile(profilesFile, JSON.stringify({ collector: profile }), { mode: 0o600 });
  gateway = await openTestGateway({
    ...{ profilesFile, otlpProfile: "collector" },
    toolsFolder: join(folder, "tools"),
    demo: true,
    egressAllow: ["127.0.0.1/32"],
    otlpEndpoint: `http://127.0.0.1:${port}/v1/traces`,
    otlpAllow: ["127.0.0.1/32"],
  });
});
afterAll(async () => {
  await gateway?.close();
  for (const server of [collector, service]) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
  await removeFolder(folder);
});

function servicePort(): number {
  return (service.address() as AddressInfo).port;
}

const spans = () =>
  bodies.flatMap((body) =>
    Export.parse(JSON.parse(body)).resourceSpans.flatMap(({ scopeSpans }) =>
      scopeSpans.flatMap((scope) => scope.spans),
    ),
  );

async function spansOf(traceId: string, count: number) {
  const find = () => spans().filter((span) => span.traceId === traceId);
  await expect.poll(() => find().length).toBeGreaterThanOrEqual(count);
  return find();
}

function invoke(traceparent: string, body: object = {}) {
  const request = {
    input: { place: { latitude: 52.52, longitude: 13.41 } },
    purpose: "travel-planning",
    ...body,
  };
  return gateway.post("/v1/tools/weather/weather/forecast", request, { traceparent });
}

describe("traces", () => {
  it("have one span for the run, one for each step, and one for each call, hanging together", async () => {
    const trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    const answer = await invoke(`00-${trace}-00f067aa0ba902b7-01`);
    expect(answer.json.outcome).toEqual({ kind: "completed" });
    const found = await spansOf(trace, 6);
    const [, , own] = (answer.headers.get("traceparent") ?? "").split("-");
    const root = found.find(({ name }) => name === "run weather");
    // The span that the answer names is the span that is told of: whoever called can hang his own on it.
    expect([root?.spanId, root?.parentSpanId, root?.kind, root?.status.code]).toEqual([
      own,
      "00f067aa0ba902b7",
      2,
      0,
    ]);
    const steps = found.filter(({ parentSpanId }) => parentSpanId === own).map(({ name }) => name);
    expect(steps.toSorted()).toEqual(["intent", "observe", "run", "seal"]);
    const run = found.find(({ name }) => name === "run");
    const calls = found.filter(({ parentSpanId, kind }) => parentSpanId === run?.spanId && kind === 3);
    expect(calls.map(({ name }) => name)).toContain("http-client/send");
    for (const span of found) {
      expect(BigInt(span.endTimeUnixNano) >= BigInt(span.startTimeUnixNano)).toBe(true);
      expect(BigInt(span.startTimeUnixNano) >= BigInt(root?.startTimeUnixNano ?? 0) - 1_000n).toBe(true);
    }
    const said = Object.fromEntries(
      (root?.attributes ?? []).map(({ key, value: is }) => [key, Object.values(is)[0]]),
    );
    expect(said).toMatchObject({
      "writ.run": answer.json.run,
      "writ.tool": "weather",
      "writ.outcome": "completed",
      "writ.tenant": "default",
    });
    expect(Number(said["writ.fuel"])).toBeGreaterThan(0);
  });

  it("say nothing of inputs, outputs, secrets and addresses", async () => {
    await spansOf("4bf92f3577b34da6a3ce929d0e0e4736", 6);
    for (const word of ["demo-key", "52.52", "latitude", "overcast", "127.0.0.1", "/v1/forecast", "Bearer"])
      expect(bodies.join("")).not.toContain(word);
  });

  it("are of bad ends too, and not of what its caller does not want recorded", async () => {
    const [bad, quiet] = ["1".repeat(32), "2".repeat(32)];
    expect((await invoke(`00-${quiet}-00f067aa0ba902b7-00`)).status).toBe(200);
    expect((await invoke(`00-${bad}-00f067aa0ba902b7-01`, { purpose: "marketing" })).status).toBe(403);
    const found = await spansOf(bad, 3);
    expect(found.find(({ name }) => name === "run weather")?.status).toEqual({ code: 2 });
    expect(found.map(({ name }) => name).toSorted()).toEqual(["observe", "refuse", "run weather"]);
    expect(spans().filter(({ traceId }) => traceId === quiet)).toEqual([]);
  });

  it("go on into a guest's requests where the policy says so, with the span that the export has", async () => {
    const trace = "5".repeat(32);
    const ask = (path: string) =>
      gateway.post(
        "/v1/tools/weather/weather/forecast-from",
        {
          input: {
            url: `http://127.0.0.1:${servicePort()}${path}`,
            place: { latitude: 1, longitude: 2 },
          },
          purpose: "travel-planning",
        },
        { traceparent: `00-${trace}-00f067aa0ba902b7-01`, tracestate: "rojo=1, congo=2" },
      );
    const [traced, untraced] = [await ask("/traced"), await ask("/untraced")];
    expect([traced.json.outcome, untraced.json.outcome]).toEqual([
      { kind: "completed" },
      { kind: "completed" },
    ]);
    const found = await spansOf(trace, 12);
    const [run] = found.filter(({ name }) => name === "run");
    const send = found.find(
      ({ name, parentSpanId }) => name === "http-client/send" && parentSpanId === run?.spanId,
    );
    expect(told).toEqual([
      { path: "/traced", traceparent: `00-${trace}-${send?.spanId}-01`, tracestate: "rojo=1,congo=2" },
      { path: "/untraced", traceparent: undefined, tracestate: undefined },
    ]);
    // Signed, so that a manifest leads to the span; and a manifest shows which rules a run had.
    const { predicate } = JSON.parse(atob(traced.json.manifest.dsseEnvelope.payload));
    expect(predicate.trace_id).toBe(trace);
    expect(predicate.events[0].clause).toContain(`; trace_context of span ${send?.spanId}`);
  });

  it("cost nothing when the collector is away, and go on when it is back", async () => {
    status = 503;
    const trace = "3".repeat(32);
    for (let run = 0; run < 3; run++)
      expect((await invoke(`00-${trace}-00f067aa0ba902b7-01`)).status).toBe(200);
    await expect.poll(() => gateway.log.join("\n")).toContain("spans-not-sent");
    expect(spans().filter(({ traceId }) => traceId === trace)).toEqual([]);
    expect(gateway.log.join("\n")).not.toContain(COLLECTOR_SECRET);
    status = 200;
    expect((await spansOf(trace, 18)).filter(({ name }) => name === "run weather")).toHaveLength(3);
  });
});
