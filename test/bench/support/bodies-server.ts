/**
 * Answers each path with as many bytes as it says: `/1024`, `/1048576`. Started as a program of its own, it prints its port
 * and ends with its standard input.
 */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";

/** @param arrived told of each request when it is there */
export function createBodiesServer(arrived: () => void = () => undefined): Server {
  const bodies = new Map<string, Uint8Array>();
  return createServer(({ url = "" }, response) => {
    arrived();
    const body = bodies.get(url) ?? new Uint8Array(Number(url.slice(1)) || 0).fill(120);
    bodies.set(url, body);
    response.end(body);
  });
}

if (import.meta.main) {
  const server = createBodiesServer();
  server.listen(0, "127.0.0.1", () => console.log((server.address() as AddressInfo).port)); // listens on TCP
  process.stdin.resume().on("end", () => process.exit(0));
}
