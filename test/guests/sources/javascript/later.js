// A guest with an export of WASI 0.3's kind: lifted as an async function.
export const api = {
  add: async (a, b) => {
    await null;
    return a + b;
  },
  echo: (text) => text,
};
