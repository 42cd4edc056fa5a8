/** A name server on loopback, small enough to read: answers A and AAAA questions as a test says. */
import { createSocket } from "node:dgram";

/** One answer: an address of either family, or another name. */
export type Answer = { readonly address: string } | { readonly cname: string };

/** A server that listens. */
export interface DnsServer {
  /** For `createResolver`. */
  readonly server: string;
  /** Questions so far, as `A api.test`. */
  readonly asked: readonly string[];
  close(): Promise<void>;
}

const TYPES = { A: 1, CNAME: 5, AAAA: 28 } as const;

/** @param answer what a name has; addresses of the other family than asked for are left out, as servers do */
export async function listenDns(
  answer: (name: string, type: "A" | "AAAA") => readonly Answer[],
): Promise<DnsServer> {
  const socket = createSocket("udp4");
  const asked: string[] = [];
  socket.on("message", (query, from) => {
    const question = readQuestion(query);
    if (question === undefined) return;
    asked.push(`${question.type} ${question.name}`);
    socket.send(
      encodeReply(query, question.end, answer(question.name, question.type), question.type),
      from.port,
      from.address,
    );
  });
  await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
  return {
    server: `127.0.0.1:${socket.address().port}`,
    asked,
    close: () => new Promise((resolve) => socket.close(() => resolve())),
  };
}

function readQuestion(query: Uint8Array) {
  const labels: string[] = [];
  let at = 12;
  for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
    labels.push(new TextDecoder().decode(query.subarray(at + 1, at + 1 + length)));
    at += length + 1;
  }
  const code = ((query[at + 1] ?? 0) << 8) | (query[at + 2] ?? 0);
  const type = code === TYPES.A ? "A" : code === TYPES.AAAA ? "AAAA" : undefined;
  return type === undefined
    ? undefined
    : ({ name: labels.join(".").toLowerCase(), type, end: at + 5 } as const);
}

function encodeReply(
  query: Uint8Array,
  end: number,
  answers: readonly Answer[],
  type: "A" | "AAAA",
): Uint8Array {
  const records = answers.flatMap((answer) => {
    if ("cname" in answer) return [record(TYPES.CNAME, encodeName(answer.cname))];
    const isV6 = answer.address.includes(":");
    if (isV6 !== (type === "AAAA")) return [];
    return [record(TYPES[type], isV6 ? v6Bytes(answer.address) : answer.address.split(".").map(Number))];
  });
  // The query's own id and question; flags: a recursive answer without error.
  const head = [query[0] ?? 0, query[1] ?? 0, 0x81, 0x80, 0, 1, 0, records.length, 0, 0, 0, 0];
  return Uint8Array.from([...head, ...query.subarray(12, end), ...records.flat()]);
}

/** A record of the question's name, with a time to live of zero: it may be another thing the next time. */
function record(type: number, data: readonly number[]): readonly number[] {
  return [0xc0, 0x0c, 0, type, 0, 1, 0, 0, 0, 0, data.length >> 8, data.length & 255, ...data];
}

function encodeName(name: string): readonly number[] {
  return [...name.split(".").flatMap((label) => [label.length, ...new TextEncoder().encode(label)]), 0];
}

function v6Bytes(text: string): readonly number[] {
  const [head = "", tail = ""] = text.split("::");
  const words = (part: string) =>
    part === "" ? [] : part.split(":").map((word) => Number.parseInt(word, 16));
  const [before, after] = [words(head), words(tail)];
  const all = [...before, ...Array<number>(8 - before.length - after.length).fill(0), ...after];
  return all.flatMap((word) => [word >> 8, word & 255]);
}
