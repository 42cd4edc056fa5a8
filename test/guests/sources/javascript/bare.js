// A guest as a JavaScript vendor writes one for QuickJS: bare ECMAScript, with whatever WASI the engine imports.
export const api = {
  echo: (text) => [...text].reverse().join(""),
  now: () => Math.floor(Date.now() / 1000),
  random: () => new Uint8Array([Math.random() * 256]),
  print() {},
  nap: () => 0,
  globals: () => ["fetch", "setTimeout", "console"].filter((name) => name in globalThis),
  get() {
    throw "there is no fetch";
  },
  post() {
    throw "there is no fetch";
  },
  encode: (text) => new Uint8Array(Array.from(text, (character) => character.charCodeAt(0))),
  crash() {
    throw new Error("on purpose");
  },
};
