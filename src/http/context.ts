/** What the app is given, and what travels with one request. No behaviour. */
import type { Context } from "hono";
import type { Principal, ScopeName } from "../core/policy/index.ts";
import type { Gateway } from "../gateway/index.ts";
import type { Clock, Entropy } from "../ports/index.ts";

/** What the app needs besides the gateway. */
export interface AppOptions {
  /** Writ's own version, for the pages and the OpenAPI document. */
  readonly version: string;
  /** How strangers reach this gateway, without a trailing slash: begins every problem type. */
  readonly baseUrl: string;
  readonly clock: Clock;
  readonly entropy: Entropy;
  /** Receives one JSON-ready object per request, and one more for every bug. Must not throw. */
  readonly log: (line: object) => void;
  /**
   * Host names (no port) that requests may be addressed to. Default: `localhost`, `127.0.0.1`, `[::1]`.
   * Without this check a page in a browser could rebind its own name to 127.0.0.1 and speak to the gateway.
   */
  readonly allowedHosts?: readonly string[];
  /** Origins whose pages may call, e.g. `https://console.example.com`. Default: none. */
  readonly allowedOrigins?: readonly string[];
  /** Bytes of a request body. Default 1 MiB. */
  readonly maxBodyBytes?: number;
  /** Bytes of all header names and values together. Default 16 KiB. */
  readonly maxHeaderBytes?: number;
  /** Time in ms that a whole body may take to arrive. Default 10000. */
  readonly bodyTimeoutMs?: number;
}

/** Options with every default filled in, and the gateway they belong to. */
export interface App extends Required<AppOptions> {
  readonly gateway: Gateway;
}

/**
 * What the log line of a request will say. Filled in while the request is served.
 *
 * INVARIANT: never an input, an output, a query, a header's value or a path with its parameters.
 */
export interface LogEntry {
  /** The route's pattern, not the path. */
  route: string;
  tenant?: string;
  run?: string;
  outcome?: string;
  /** Refusal code, or `http-<status>` for a problem without a type of ours. */
  code?: string;
  /** Joins the line of a bug with the answer that its caller got. */
  instance?: string;
  /** A refusal's message: for the operator. */
  detail?: string;
  cause?: string;
}

/** Hono's environment for this app. */
export interface AppEnv {
  Variables: { entry: LogEntry; principal: Principal | undefined };
}

/** One request under way. */
export type AppContext = Context<AppEnv>;

/** One route: a method, a pattern in Hono's notation, and what answers it. */
export interface Route {
  readonly method: "GET" | "POST";
  readonly path: string;
  /**
   * The scope that credentials must have, or `public`: nobody is asked who he is. Checked before the handler is called,
   * which has the principal from `principalOf`.
   */
  readonly scope: ScopeName | "public";
  /** Whether the decision checks the scope, so that its refusal is signed; who it is, is asked all the same. */
  readonly decided?: true;
  readonly handler: (context: AppContext) => Response | Promise<Response>;
}
