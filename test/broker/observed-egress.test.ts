/** What is about to leave is said first; what can not be said does not leave. */
import { expect, it } from "vitest";
import { type Egress, permitRequest } from "../../src/broker/egress/index.ts";
import { observeEgress } from "../../src/broker/observed-egress.ts";

const permit = permitRequest(
  [{ scheme: "https", host: "api.example.com", port: 443, methods: ["GET"], paths: ["/v1"] }],
  { method: "GET", scheme: "https", authority: "api.example.com", pathWithQuery: "/v1?key=secret" },
);
if (permit.kind !== "permit") throw new TypeError("The request is permitted");
const request = {
  permit,
  headers: [],
  body: new Uint8Array(),
  open: [],
  meter: { sent: () => true, received: () => true },
  signal: new AbortController().signal,
};
const tcp = { ...request, host: "db.example.com", port: 5432 };

function fakes(order: string[]) {
  const leave = async (what: string) => {
    order.push(what);
    throw new Error("not connected in this test");
  };
  const egress: Egress = {
    send: () => leave("request"),
    resolve: () => leave("question"),
    connect: () => leave("connection"),
  };
  return egress;
}

it("observeEgress() says what leaves before it leaves, without its query", async () => {
  const order: string[] = [];
  const observed = observeEgress(fakes(order), async (target) => void order.push(target));
  await expect(observed.send(request)).rejects.toThrow();
  await expect(observed.resolve(tcp)).rejects.toThrow();
  await expect(observed.connect(tcp)).rejects.toThrow();
  await expect(
    observed.connect({ ...tcp, host: "192.0.2.7", label: "tcp://db.example.com:5432" }),
  ).rejects.toThrow();
  expect(order).toEqual([
    "GET https://api.example.com:443/v1",
    "request",
    "db.example.com",
    "question",
    "db.example.com:5432",
    "connection",
    "tcp://db.example.com:5432",
    "connection",
  ]);
});

it("observeEgress() lets nothing leave that can not be written down", async () => {
  const order: string[] = [];
  const observed = observeEgress(fakes(order), () => Promise.reject(new Error("disk full")));
  await expect(observed.send(request)).rejects.toThrow("disk full");
  await expect(observed.resolve(tcp)).rejects.toThrow("disk full");
  await expect(observed.connect(tcp)).rejects.toThrow("disk full");
  expect(order).toEqual([]);
});
