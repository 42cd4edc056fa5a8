/** What the door's rooms hand to one another once a connection stands. Types only. */
import type { buildConnector } from "undici";

/** A connected socket, as undici's connector hands it over: TCP, or TLS when the scheme is https. */
export type Socket = Extract<Parameters<buildConnector.Callback>, [null, unknown]>[1];
