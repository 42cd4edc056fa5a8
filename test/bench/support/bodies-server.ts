/**
 * Answers each path with as many bytes as it says: `/1024`, `/1048576`. Started as a program of its own, it prints its port
 * and ends with its standard input.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";

/** @param arrived told of each request when it is there */
export function createBodiesServer(arrived: () => void = () => undefined): Server {
  return createServer(answerer(arrived));
}

/**
 * The same by https.
 *
 * @param identity its certificate and key, PEM
 */
export function createTlsBodiesServer(
  identity: { readonly cert: string; readonly key: string },
  arrived: () => void = () => undefined,
): Server {
  return createTlsServer(identity, answerer(arrived));
}

function answerer(arrived: () => void) {
  const bodies = new Map<string, Uint8Array>();
  return ({ url = "" }: IncomingMessage, response: ServerResponse) => {
    arrived();
    const body = bodies.get(url) ?? new Uint8Array(Number(url.slice(1)) || 0).fill(120);
    bodies.set(url, body);
    response.end(body);
  };
}

if (import.meta.main) {
  const server = createBodiesServer();
  server.listen(0, "127.0.0.1", () => console.log((server.address() as AddressInfo).port)); // listens on TCP
  process.stdin.resume().on("end", () => process.exit(0));
}
