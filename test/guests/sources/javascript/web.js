// A guest as a JavaScript vendor writes one: the web's APIs on StarlingMonkey, every engine feature on.
export const api = {
  echo: (text) => [...text].reverse().join(""),
  now: () => BigInt(Math.floor(Date.now() / 1000)),
  random: () => crypto.getRandomValues(new Uint8Array(16)),
  print(text, times) {
    for (let i = 0; i < times; i++) console.log(text);
    console.error("done");
  },
  async nap(ms) {
    const before = performance.now();
    await new Promise((resolve) => setTimeout(resolve, ms));
    return BigInt(Math.floor(performance.now() - before));
  },
  globals: () =>
    [
      "fetch",
      "setTimeout",
      "TextEncoder",
      "crypto",
      "URL",
      "process",
      "Deno",
      "require",
      "structuredClone",
      "ReadableStream",
      "AbortController",
      "AbortSignal",
    ].filter((name) => name in globalThis),
  async get(url) {
    try {
      const answer = await fetch(url, { headers: { accept: "application/json" } });
      return `${answer.status} ${answer.headers.get("content-type")} ${JSON.stringify(await answer.json())}`;
    } catch (error) {
      throw `fetch failed: ${error.message ?? error}`;
    }
  },
  async post(url, body, timeoutMs) {
    try {
      const signal =
        timeoutMs === undefined || !globalThis.AbortSignal ? undefined : AbortSignal.timeout(timeoutMs);
      const answer = await fetch(url, {
        method: "POST",
        body,
        headers: { "content-type": "text/plain" },
        ...(signal ? { signal } : {}),
      });
      const reader = answer.body.getReader();
      let text = "",
        chunks = 0;
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        chunks++;
        text += new TextDecoder().decode(value);
      }
      return `${answer.status} ${chunks} ${text}`;
    } catch (error) {
      throw `fetch failed: ${error.name}: ${error.message ?? error}`;
    }
  },
  encode: (text) => new TextEncoder().encode(text),
  crash() {
    throw new Error("on purpose");
  },
};
