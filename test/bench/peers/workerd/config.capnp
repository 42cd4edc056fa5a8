# A worker that loads other workers: the local half of Dynamic Workers. The port is chosen by the system.
using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [ (name = "main", worker = .host) ],
  sockets = [ (name = "http", address = "127.0.0.1:0", http = (), service = (name = "main", entrypoint = "Host")) ],
);

const host :Workerd.Worker = (
  modules = [
    (name = "host.js", esModule = embed "host.js"),
    (name = "tiny.wasm", wasm = embed "tiny.wasm"),
    (name = "tiny.bin", data = embed "tiny.wasm"),
  ],
  compatibilityDate = "2026-01-01",
  compatibilityFlags = ["experimental"],
  bindings = [ (name = "LOADER", workerLoader = ()) ],
);
