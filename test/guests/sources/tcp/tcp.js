import { instanceNetwork } from "wasi:sockets/instance-network@0.2.12";
import { resolveAddresses } from "wasi:sockets/ip-name-lookup@0.2.12";
import { createTcpSocket } from "wasi:sockets/tcp-create-socket@0.2.12";
import { createUdpSocket } from "wasi:sockets/udp-create-socket@0.2.12";

const network = () => instanceNetwork();
// This engine has no TextEncoder.
const bytes = (text) => Uint8Array.from(text, (char) => char.charCodeAt(0));
const text = (value) => Array.from(value, (byte) => String.fromCharCode(byte)).join("");
const address = ({ tag, val }) =>
  tag === "ipv4" ? val.join(".") : val.map((part) => part.toString(16)).join(":");

/** `1.2.3.4`, or eight groups of hexadecimal digits. */
function place(text, port, more = {}) {
  if (!text.includes(":")) return { tag: "ipv4", val: { port, address: text.split(".").map(Number) } };
  const groups = text.split(":").map((part) => Number.parseInt(part, 16));
  return { tag: "ipv6", val: { port, flowInfo: 0, address: groups, scopeId: 0, ...more } };
}

function word(error) {
  const failure = error.payload ?? error;
  return failure.tag ?? String(failure);
}

/** Calls until it is no longer `would-block`. */
function waiting(pollable, call) {
  for (;;) {
    try {
      return call();
    } catch (error) {
      if (word(error) !== "would-block") throw error;
      pollable().block();
    }
  }
}

function resolved(name) {
  const stream = resolveAddresses(network(), name);
  const found = [];
  for (;;) {
    const next = waiting(
      () => stream.subscribe(),
      () => stream.resolveNextAddress(),
    );
    if (next === undefined || next === null) return found;
    found.push(address(next));
  }
}

function connected(text, port) {
  const socket = createTcpSocket(text.includes(":") ? "ipv6" : "ipv4");
  socket.startConnect(network(), place(text, port));
  const [input, output] = waiting(
    () => socket.subscribe(),
    () => socket.finishConnect(),
  );
  return { socket, input, output };
}

function readAll(input) {
  let whole = "";
  for (;;) {
    try {
      whole += text(input.blockingRead(65_536));
    } catch (error) {
      if (word(error) === "closed") return whole;
      throw error;
    }
  }
}

/** Every answer to every question that changes nothing. */
const PROBES = {
  bind: () => String(createTcpSocket("ipv4").startBind(network(), place("0.0.0.0", 0))),
  listen: () => String(createTcpSocket("ipv4").startListen()),
  accept: () => String(createTcpSocket("ipv4").accept()),
  udp: () => String(createUdpSocket("ipv4")),
  early: () => String(createTcpSocket("ipv4").finishConnect()),
  family: (port) => String(createTcpSocket("ipv4").startConnect(network(), place("0:0:0:0:0:0:0:1", port))),
  mapped: (port) =>
    String(createTcpSocket("ipv6").startConnect(network(), place("0:0:0:0:0:ffff:7f00:1", port))),
  scoped: (port) =>
    String(
      createTcpSocket("ipv6").startConnect(network(), place("fe80:0:0:0:0:0:0:1", port, { scopeId: 2 })),
    ),
  anywhere: (port) => String(createTcpSocket("ipv4").startConnect(network(), place("0.0.0.0", port))),
  "port 0": () => String(createTcpSocket("ipv4").startConnect(network(), place("127.0.0.1", 0))),
  twice(port) {
    const { socket } = connected(resolved("api.test")[0], port);
    return String(socket.startConnect(network(), place("127.0.0.1", port)));
  },
  options(port) {
    const { socket } = connected(resolved("api.test")[0], port);
    socket.setKeepAliveEnabled(true);
    socket.setHopLimit(7);
    socket.setReceiveBufferSize(1000);
    const near = address({ tag: "ipv4", val: socket.localAddress().val.address });
    const far = socket.remoteAddress().val;
    return `${socket.keepAliveEnabled()} ${socket.hopLimit()} ${socket.receiveBufferSize()} ${socket.isListening()} ${near} ${far.address.join(".")} ${far.port === port}`;
  },
  "write after end"(port) {
    const { socket, output } = connected(resolved("api.test")[0], port);
    socket.shutdown("send");
    return String(output.blockingWriteAndFlush(bytes("late")));
  },
  "read after end"(port) {
    const { socket, input } = connected(resolved("api.test")[0], port);
    socket.shutdown("receive");
    return readAll(input);
  },
  "kept pollables"(port) {
    const socket = createTcpSocket("ipv4");
    const ready = socket.subscribe();
    socket.startConnect(network(), place(resolved("api.test")[0], port));
    let waits = 0;
    const patient = (pollable, call) =>
      waiting(() => {
        waits += 1;
        return pollable;
      }, call);
    const [input, output] = patient(ready, () => socket.finishConnect());
    const [readable, writable] = [input.subscribe(), output.subscribe()];
    for (let n = 0; n < 3; n += 1) {
      while (Number(output.checkWrite()) === 0) writable.block();
      output.write(bytes("hello"));
    }
    socket.shutdown("send");
    let length = 0;
    for (;;) {
      try {
        const piece = input.read(65_536);
        length += piece.length;
        if (piece.length > 0) continue;
        waits += 1;
        readable.block();
      } catch (error) {
        if (word(error) !== "closed") throw error;
        // A pollable that was always ready would be asked thousands of times.
        return `${length} ${waits < 200}`;
      }
    }
  },
  "half a life"(port) {
    const { socket, input, output } = connected(resolved("api.test")[0], port);
    output[Symbol.dispose]();
    input[Symbol.dispose]();
    socket[Symbol.dispose]();
    return "dropped";
  },
};

export const tcp = {
  lookUp: inWords((name) => resolved(name)),
  talk: inWords((name, port, line, times) => {
    const { socket, input, output } = connected(resolved(name)[0], port);
    for (let n = 0; n < times; n += 1) output.blockingWriteAndFlush(bytes(line));
    socket.shutdown("send");
    return readAll(input);
  }),
  reach: inWords((text, port) => {
    connected(text, port);
    return "connected";
  }),
  probe: inWords((what, port) => PROBES[what](port)),
};

/** An error leaves as the word of its interface. */
function inWords(call) {
  return (...args) => {
    try {
      return call(...args);
    } catch (error) {
      throw word(error);
    }
  };
}
