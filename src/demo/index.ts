/**
 * The sample API that the demo's tool calls: a weather service that makes everything up, so that trying Writ needs
 * no internet and no account. Web-standard request in, response out; whoever serves it chooses the socket.
 */

/** Where the demo listens unless told otherwise. */
export const DEMO_ADDRESS = { hostname: "127.0.0.1", port: 8788 } as const;

/** The demo's key protects made-up weather, so it may stand here; the profile shows how to keep a real one. */
export const DEMO_KEY = "demo-key-of-the-sample-weather-api";

/** Where the demo is reached. */
export const DEMO_URL: string = `http://${DEMO_ADDRESS.hostname}:${DEMO_ADDRESS.port}`;

/** The profiles that give the weather tool its key and the links tool one to sign with. */
export const DEMO_PROFILE: string = `weather-api:
  secret: { value: ${DEMO_KEY} }
  audience: ["${DEMO_URL}"]
  inject: { header: x-api-key }
  allow_addresses: ["127.0.0.1/32"]
links:
  secret: { value: demo-key-of-the-sample-links }
  audience: ["${DEMO_URL}"]
`;

/** What the demo is made of. */
export interface DemoOptions {
  /** The API key that callers must send as `x-api-key`. */
  readonly key: string;
}

const SUMMARIES = ["clear", "light clouds", "overcast", "light rain", "showers", "fog", "snow"] as const;

/**
 * Creates the sample API: `GET /v1/forecast?latitude=…&longitude=…`.
 *
 * @returns a handler that answers 200 with `{ place, temperature_c, summary }`, the same for the same place always;
 *   400 for bad coordinates, 401 without the key, 404 elsewhere, 405 for other methods
 */
export function createDemo({ key }: DemoOptions): (request: Request) => Response {
  return (request) => {
    const url = new URL(request.url);
    if (url.pathname !== "/v1/forecast") return answer(404, { error: "no such page" });
    if (request.method !== "GET") return answer(405, { error: "only GET is served" }, { allow: "GET" });
    // Compared in plain time: this key protects made-up weather.
    if (request.headers.get("x-api-key") !== key) return answer(401, { error: "wrong or missing x-api-key" });
    const latitude = coordinate(url.searchParams.get("latitude"), 90);
    const longitude = coordinate(url.searchParams.get("longitude"), 180);
    if (latitude === undefined || longitude === undefined) {
      return answer(400, { error: "wanted latitude from -90 to 90 and longitude from -180 to 180" });
    }
    return answer(200, { place: { latitude, longitude }, ...forecast(latitude, longitude) });
  };
}

function answer(status: number, body: unknown, headers: Record<string, string> = {}): Response {
  return Response.json(body, { status, headers: { "cache-control": "no-store", ...headers } });
}

function coordinate(text: string | null, limit: number): number | undefined {
  if (text === null || !/^-?[0-9]{1,3}(\.[0-9]{1,15})?$/.test(text)) return undefined;
  const value = Number(text);
  return Math.abs(value) <= limit ? value : undefined;
}

/** Warm at the equator, cold at the poles, and a little of everything by longitude. */
function forecast(latitude: number, longitude: number): { temperature_c: number; summary: string } {
  const wobble = Math.abs(Math.trunc(latitude * 7 + longitude * 13));
  const temperature = 30 - Math.abs(latitude) * 0.6 + (wobble % 9) - 4;
  const pick = wobble % (temperature < 2 ? SUMMARIES.length : SUMMARIES.length - 1);
  return { temperature_c: Math.round(temperature * 10) / 10, summary: SUMMARIES[pick] ?? "clear" };
}
