/** Calls to paste, for the sample tools that a server has loaded: one that works, and one that the policy denies. */
import type { RunningServer } from "../world.ts";

/** A call to paste into a shell. */
export interface SampleCall {
  readonly title: string;
  readonly command: string;
}

interface Sample {
  readonly tool: string;
  readonly function: string;
  readonly purpose: string;
  readonly input: object;
  readonly title: string;
  /** Only with the sample API beside the gateway, which brings the secret profile that the tool wants. */
  readonly needsDemo: boolean;
  readonly shows: "result" | "denial";
}

const BERLIN = { latitude: 52.52, longitude: 13.41 };

/** Of each kind the first that fits is shown. */
const SAMPLES: readonly Sample[] = [
  {
    shows: "result",
    needsDemo: true,
    tool: "weather",
    function: "weather/forecast",
    purpose: "travel-planning",
    input: { place: BERLIN },
    title: "Ask for the weather; the tool never sees the service's key",
  },
  {
    shows: "result",
    needsDemo: false,
    tool: "hash",
    function: "hash/sha256",
    purpose: "support-chat",
    input: { data: "aGVsbG8gd29ybGQ=" },
    title: "Hash the bytes of `hello world`",
  },
  {
    shows: "denial",
    needsDemo: true,
    tool: "weather",
    function: "weather/forecast-from",
    purpose: "travel-planning",
    input: { url: "https://example.com/v1/forecast", place: BERLIN },
    title: "Ask it for a host that no rule allows; the denial is in the signed manifest",
  },
  {
    shows: "denial",
    needsDemo: false,
    tool: "rogue",
    function: "rogue/reach-host",
    purpose: "security-drill",
    input: { url: "https://example.com/" },
    title: "Let a tool reach for a host that no rule allows; the denial is in the signed manifest",
  },
];

/**
 * Writes the calls that this server would serve.
 *
 * @param server what it has loaded; its key goes by `$WRIT_KEY`, never into a command line that a shell remembers
 * @returns at most one of each kind
 */
export function sampleCalls(server: Pick<RunningServer, "url" | "demoUrl" | "tools">): readonly SampleCall[] {
  const fitting = SAMPLES.filter((sample) => fits(sample, server));
  return (["result", "denial"] as const).flatMap((kind) => {
    const sample = fitting.find(({ shows }) => shows === kind);
    return sample === undefined ? [] : [{ title: sample.title, command: writeCurl(sample, server.url) }];
  });
}

function fits(sample: Sample, { tools, demoUrl }: Pick<RunningServer, "demoUrl" | "tools">): boolean {
  const tool = tools.find(({ name }) => name === sample.tool);
  if (tool === undefined || (sample.needsDemo && demoUrl === undefined)) return false;
  return tool.functions.includes(sample.function) && tool.purposes.includes(sample.purpose);
}

function writeCurl({ tool, function: key, shows, input, purpose }: Sample, url: string): string {
  // As the README has it: the bare function, which is unambiguous in every sample tool, and a file for each answer.
  const name = key.slice(key.indexOf("/") + 1);
  const file = shows === "result" ? "answer.json" : "denied.json";
  return [
    `  curl -s ${url}/v1/tools/${tool}/${name} \\`,
    `    -H "Authorization: Bearer $WRIT_KEY" -H 'content-type: application/json' \\`,
    `    -d '${JSON.stringify({ input, purpose })}' | tee ${file}`,
  ].join("\n");
}
