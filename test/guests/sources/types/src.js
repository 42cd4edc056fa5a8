// One echo for each type of WIT, and exports called like words of JavaScript.
const id = (x) => x;
export const api = {
  echoChar: id,
  echoF32: id,
  echoF64: id,
  echoU64: id,
  echoS64: id,
  echoMany: id,
  echoDeep: id,
  echoWide: id,
  echoLists: id,
  echoBytes: id,
  manyParams: (...p) => p.join(","),
  nothing() {},
  bare(ok) {
    if (!ok) throw undefined;
  },
  okOnly(ok) {
    if (!ok) throw undefined;
    return 7;
  },
  errOnly(ok) {
    if (!ok) throw 9;
  },
};
export const other = { echoChar: id, default: () => 1, delete: () => 2 };
export const topLevel = id;
// biome-ignore lint/suspicious/noThenProperty: a component may export it, and whoever awaits its exports then waits for ever
export const then = () => 5;
