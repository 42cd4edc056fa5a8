// What the metering benchmark runs on the JavaScript engines: `run(name, size)` gives a checksum.

const programs = {
  json(size) {
    const rows = Array.from({ length: size }, (_, i) => ({
      id: i,
      name: `name ${i}`,
      tags: ["a", "b", String(i)],
      ok: i % 3 === 0,
    }));
    return JSON.stringify(JSON.parse(JSON.stringify(rows)).filter((row) => row.ok)).length;
  },
  strings(size) {
    let text = "";
    for (let i = 0; i < size; i++) text += `word${i % 97} `;
    return text
      .split(" ")
      .map((word) => word.toUpperCase())
      .join("-")
      .replace(/WORD(\d+)/g, "$1").length;
  },
  sorting(size) {
    const numbers = Array.from({ length: size }, (_, i) => (i * 7919) % 10007);
    return numbers.sort((a, b) => a - b)[size >> 1];
  },
  objects(size) {
    const counts = new Map();
    for (let i = 0; i < size; i++) {
      const key = `k${i % 512}`;
      counts.set(key, { n: (counts.get(key)?.n ?? 0) + 1 });
    }
    let sum = 0;
    for (const { n } of counts.values()) sum += n;
    return sum;
  },
  numbers(size) {
    let x = 1;
    for (let i = 0; i < size; i++) x = (Math.imul(x, 31) + i) | 0;
    return x >>> 0;
  },
  calls(size) {
    const fib = (n) => (n < 2 ? n : fib(n - 1) + fib(n - 2));
    return fib(size);
  },
};

export const bench = { run: (name, size) => programs[name](size) };
