/** The HTTP client of all suites: keep-alive, one request at a time on each connection, the same for every server. */
import { Client } from "undici";

/** One connection. */
export interface Connection {
  /** @throws when the status is not 200: a refusal is fast, and would make a good figure */
  send(request: BenchRequest): Promise<string>;
  close(): Promise<void>;
}

/** What is sent. */
export interface BenchRequest {
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** What {@link saturate} saw. */
export interface Saturation {
  /** Completed requests. */
  readonly perSecond: number;
  /** In ms, of every request. */
  readonly latencies: readonly number[];
}

/** Opens one connection to `http://host:port`. */
export function connect(url: string): Connection {
  const client = new Client(url, { pipelining: 1 });
  return {
    async send({ method, path, headers = {}, body }) {
      const response = await client.request({ method, path, headers, body: body ?? null });
      const text = await response.body.text();
      if (response.statusCode !== 200)
        throw new Error(`${method} ${path} answered ${response.statusCode}: ${text.slice(0, 500)}`);
      return text;
    },
    close: () => client.close(),
  };
}

/**
 * Keeps connections busy for a while, each with one request after another.
 *
 * @param prepare makes the request of one connection
 * @throws when any answer is not 200
 */
export async function saturate(
  url: string,
  request: BenchRequest,
  options: { readonly connections: number; readonly forMs: number },
): Promise<Saturation> {
  const connections = Array.from({ length: options.connections }, () => connect(url));
  const latencies: number[] = [];
  const startedAt = performance.now();
  const until = startedAt + options.forMs;
  await Promise.all(
    connections.map(async (connection) => {
      while (performance.now() < until) {
        const at = performance.now();
        await connection.send(request);
        latencies.push(performance.now() - at);
      }
    }),
  );
  const tookMs = performance.now() - startedAt;
  await Promise.all(connections.map((connection) => connection.close()));
  return { perSecond: (latencies.length / tookMs) * 1000, latencies };
}
