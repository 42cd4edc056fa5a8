/** Calls of the sample tools for recordings: every end that a run can have, and never the same input twice. */

/** One call over HTTP. */
export interface Call {
  readonly tool: string;
  readonly function: string;
  readonly input: object;
  readonly purpose: string;
}

type Make = (n: number) => Pick<Call, "function" | "input">;

/** Of every hundred calls, so many are of this kind. */
const KINDS: readonly {
  readonly tool: string;
  readonly purpose: string;
  readonly of100: number;
  readonly make: Make;
}[] = [
  {
    tool: "hash",
    purpose: "benchmark",
    of100: 25,
    make: (n) => ({ function: "hash/sha256", input: { data: bytes(n) } }),
  },
  {
    tool: "hash",
    purpose: "benchmark",
    of100: 15,
    make: (n) => ({ function: "hash/fnv1a64", input: { data: bytes(n) } }),
  },
  {
    tool: "text",
    purpose: "data-cleaning",
    of100: 15,
    make: (n) => ({ function: "text/stats", input: { text: words(n) } }),
  },
  {
    tool: "text",
    purpose: "data-cleaning",
    of100: 10,
    make: (n) => ({
      function: "text/slug",
      input: { title: words(n), "max-length": n % 2 === 0 ? null : 12 },
    }),
  },
  {
    tool: "text",
    purpose: "data-cleaning",
    of100: 10,
    // Every third has a record of another length, which is the tool's own error.
    make: (n) => ({
      function: "text/csv-to-json",
      input: { csv: `a,b\n${n},1\n${n % 3 === 0 ? "x" : "x,y"}\n`, options: { header: true } },
    }),
  },
  {
    tool: "weather",
    purpose: "travel-planning",
    of100: 14,
    make: (n) => ({ function: "weather/forecast", input: { place: place(n) } }),
  },
  {
    tool: "weather",
    purpose: "travel-planning",
    of100: 6,
    make: (n) => ({
      function: "weather/forecast-from",
      input: { url: `https://example.com/v1/forecast/${n}`, place: place(n) },
    }),
  },
  { tool: "rogue", purpose: "security-drill", of100: 5, make: (n) => rogue(n) },
];

/** What rogue does, turn by turn. Waiting takes its whole time to live, so it is rare. */
const ROGUE: readonly Pick<Call, "function" | "input">[] = [
  { function: "rogue/reach-host", input: { url: "https://example.com/" } },
  { function: "rogue/read-env", input: {} },
  { function: "rogue/read-file", input: { path: "/etc/passwd" } },
  { function: "rogue/spin", input: {} },
  { function: "rogue/grow-memory", input: {} },
  { function: "rogue/recurse", input: {} },
  { function: "rogue/flood-log", input: {} },
  { function: "rogue/flood-stdout", input: {} },
  { function: "rogue/huge-output", input: { bytes: 1000 } },
  { function: "rogue/huge-output", input: { bytes: 200_000 } },
];

function rogue(n: number): Pick<Call, "function" | "input"> {
  const turn = n % 499 === 0 ? undefined : ROGUE[(n + Math.floor(n / 100)) % ROGUE.length];
  return turn ?? { function: "rogue/wait", input: {} };
}

/** Kinds by place in a hundred. */
const PLACES = KINDS.flatMap((kind) => Array.from({ length: kind.of100 }, () => kind));

/** @param count how many @returns them, kinds mixed */
export function makeCalls(count: number): readonly Call[] {
  return Array.from({ length: count }, (_, n) => {
    // A step that shares no factor with 100 visits every place of a hundred once.
    const kind = PLACES[(n * 37) % PLACES.length];
    if (kind === undefined) throw new RangeError("There is no kind of call");
    return { tool: kind.tool, purpose: kind.purpose, ...kind.make(n) };
  });
}

function bytes(n: number): string {
  return Buffer.from(`${n} `.repeat(1 + (n % 50))).toString("base64");
}

function words(n: number): string {
  return `Run ${n} says: ${"wörd, ".repeat(n % 40)}and no more.`;
}

function place(n: number): { readonly latitude: number; readonly longitude: number } {
  return { latitude: (n % 200) - 95, longitude: (n % 360) - 180 + 0.5 };
}
