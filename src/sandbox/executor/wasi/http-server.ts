/**
 * The server's half of `wasi:http/types`. A tool is called by its own interfaces and never by HTTP, so no
 * `incoming-request` and no `response-outparam` ever exists; language runtimes import them all the same. An
 * `outgoing-response` a guest can make for itself; there is nobody to send it to.
 */
import type { ResourceClass } from "../binding.ts";
import { GuestError } from "../guard.ts";
import { type BodyAllowance, type IncomingBody, OutgoingBody } from "./http-body.ts";
import { Fields } from "./http-fields.ts";

/** Resource `outgoing-response`. */
export class OutgoingResponse {
  readonly #state: {
    readonly headers: Fields;
    readonly allowance: BodyAllowance;
    status: number;
    body: OutgoingBody | undefined;
  };

  constructor(headers: Fields, allowance: BodyAllowance) {
    this.#state = { headers: Fields.immutable(headers.entries()), allowance, status: 200, body: undefined };
  }

  statusCode(): number {
    return this.#state.status;
  }

  setStatusCode(status: number): void {
    const state = this.#state;
    if (status < 100 || status > 999) throw new GuestError(undefined);
    state.status = status;
  }

  headers(): Fields {
    return this.#state.headers;
  }

  body(): OutgoingBody {
    const state = this.#state;
    if (state.body !== undefined) throw new GuestError(undefined);
    state.body = new OutgoingBody(state.allowance);
    return state.body;
  }
}

/** Resource `incoming-request`. Only a forged handle reaches a method, and finds no `#absent`: that throws. */
export class IncomingRequest {
  readonly #absent: never;

  constructor(absent: never) {
    this.#absent = absent;
  }

  method(): unknown {
    return this.#absent;
  }

  pathWithQuery(): string | undefined {
    return this.#absent;
  }

  scheme(): unknown {
    return this.#absent;
  }

  authority(): string | undefined {
    return this.#absent;
  }

  headers(): Fields {
    return this.#absent;
  }

  consume(): IncomingBody {
    return this.#absent;
  }
}

/** Resource `response-outparam`. As {@link IncomingRequest}, there is none. */
export class ResponseOutparam {
  readonly #absent: never;

  constructor(absent: never) {
    this.#absent = absent;
  }

  sendInformational(): void {
    void this.#absent;
  }

  static set(param: ResponseOutparam): void {
    void param.#absent;
  }
}

/**
 * The server's resource classes of one run.
 *
 * @param allowance what the bodies of the run may hold, requests and responses together
 */
export function createServerTypes(allowance: BodyAllowance): Readonly<Record<string, ResourceClass>> {
  class RunResponse extends OutgoingResponse {
    constructor(headers: Fields) {
      super(headers, allowance);
    }
  }
  return { IncomingRequest, OutgoingResponse: RunResponse, ResponseOutparam };
}
