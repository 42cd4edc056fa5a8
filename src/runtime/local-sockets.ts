/** Sockets in the file system, over `node:net`, which both runtimes have. Only paths are ever given to it: no network. */
import { chmod, rm } from "node:fs/promises";
import { createConnection, createServer, type Socket } from "node:net";
import { dirname } from "node:path";
import process from "node:process";
import type { LocalSocket, LocalSockets } from "../ports/index.ts";
import { makeFolder } from "./make-folder.ts";

/** The system's own. */
export const systemSockets: LocalSockets = {
  connect: (path) =>
    new Promise((resolve, reject) => {
      const socket = createConnection({ path });
      socket.once("error", reject);
      socket.once("connect", () => resolve(wrap(socket)));
    }),

  async listen(path, onConnection) {
    await makeFolder(dirname(path));
    if (await isAnswered(path)) throw new Error(`Cannot listen on ${JSON.stringify(path)}: it is in use`);
    // Left by a process that was killed: nothing answers there.
    await rm(path, { force: true });
    const open = new Set<Socket>();
    const server = createServer((socket) => {
      open.add(socket);
      socket.once("close", () => open.delete(socket));
      onConnection(wrap(socket));
    });
    // The mode is set at creation, so that the socket is at no moment another user's to connect to.
    const mask = process.umask(0o177);
    try {
      await new Promise<void>((resolve, reject) => {
        server.once("error", reject);
        server.listen({ path }, resolve);
      });
    } finally {
      process.umask(mask);
    }
    await chmod(path, 0o600);
    return {
      async close() {
        const closed = new Promise<void>((resolve) => server.close(() => resolve()));
        for (const socket of open) socket.destroy();
        await closed;
        await rm(path, { force: true });
      },
    };
  },
};

function wrap(socket: Socket): LocalSocket {
  // An other side that dies is an ordinary end: `input` ends and `write` rejects, and nobody has to listen for it.
  socket.on("error", () => undefined);
  return {
    input: inputOf(socket),
    write: (bytes) =>
      new Promise((resolve, reject) => {
        socket.write(bytes, (error) => (error ? reject(error) : resolve()));
      }),
    close: () => socket.destroy(),
  };
}

async function* inputOf(socket: Socket): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of socket) if (chunk instanceof Uint8Array) yield chunk;
  } catch {
    // Reset by the other side.
  }
}

function isAnswered(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ path });
    socket.once("error", () => resolve(false));
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
  });
}
