/**
 * The weather tool: asks an HTTP service for a forecast.
 *
 * The service wants a key. This file has none and needs none: the broker adds it to requests that go where the
 * key belongs. All that a reader of this guest, or a dump of its memory, learns is the service's address.
 *
 * A function whose WIT result has an `err` side throws the error's value: componentize-js lowers a thrown value that
 * is no `Error`, and traps on one that is.
 */

/** The sample service of the demo. Another address here needs another rule in policy.yaml. */
const serviceUrl = "http://127.0.0.1:8788/v1/forecast";

interface Place {
  readonly latitude: number;
  readonly longitude: number;
}

interface Report {
  readonly place: Place;
  readonly temperatureCelsius: number;
  readonly summary: string;
}

type WeatherError =
  | { readonly tag: "out-of-range" }
  | { readonly tag: "unreachable" }
  | { readonly tag: "refused"; readonly val: number }
  | { readonly tag: "malformed" };

/** The interface `weather` of world.wit. */
export const weather = {
  forecast(place: Place): Promise<Report> {
    return forecastFrom(serviceUrl, place);
  },
  forecastFrom,
};

async function forecastFrom(url: string, place: Place): Promise<Report> {
  if (!(Math.abs(place.latitude) <= 90 && Math.abs(place.longitude) <= 180)) {
    throw { tag: "out-of-range" } satisfies WeatherError;
  }
  const response = await request(`${url}?latitude=${place.latitude}&longitude=${place.longitude}`);
  if (response.status !== 200) {
    throw { tag: "refused", val: response.status } satisfies WeatherError;
  }
  return toReport(place, await read(response));
}

async function request(url: string): Promise<Response> {
  try {
    return await fetch(url);
  } catch {
    // A denied request and a dead service look the same from in here, and should.
    throw { tag: "unreachable" } satisfies WeatherError;
  }
}

async function read(response: Response): Promise<unknown> {
  try {
    return await response.json();
  } catch {
    throw { tag: "malformed" } satisfies WeatherError;
  }
}

/** Takes the two members this tool knows and leaves the rest: the service's answer is a stranger's text. */
function toReport(place: Place, answer: unknown): Report {
  if (typeof answer !== "object" || answer === null) {
    throw { tag: "malformed" } satisfies WeatherError;
  }
  const { temperature_c: temperatureCelsius, summary } = answer as Record<string, unknown>; // checked just below
  if (typeof temperatureCelsius !== "number" || typeof summary !== "string") {
    throw { tag: "malformed" } satisfies WeatherError;
  }
  return { place, temperatureCelsius, summary };
}
