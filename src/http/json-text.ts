/**
 * Strict JSON: what `JSON.parse` lets pass and a signed record must not.
 *
 * Two readers that disagree on a document are how a request gets past a check, so every document with more than one
 * reading is refused: duplicate keys, lone surrogates, numbers that do not survive. Depth is bounded before anything
 * recursive sees the value. Input here is attacker-controlled; every loop is linear in its length.
 */
import { type Fault, GatewayError } from "../core/errors.ts";
import type { JsonValue } from "../core/policy/index.ts";

/** Nesting allowed in a document. The deepest real input seen needs 9. */
const MAX_DEPTH = 64;
const MAX_FAULTS = 20;
const NUMBER = /-?\d+(\.\d+)?([eE][+-]?\d+)?/y;

/**
 * Parses the bytes of a request body.
 *
 * @param bytes UTF-8, no byte order mark
 * @returns the value
 * @throws {GatewayError} `invalid-request`, with a pointer to every fault, at most 20
 */
export function parseJsonBody(bytes: Uint8Array): JsonValue {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw refuse([{ pointer: "", detail: "is not UTF-8" }]);
  }
  const faults = findFaults(text);
  if (faults === "too-deep") {
    throw refuse([{ pointer: "", detail: `nests deeper than ${MAX_DEPTH} levels` }]);
  }
  let value: JsonValue;
  try {
    value = JSON.parse(text);
  } catch (error) {
    // The engine's message quotes the input; only the position is ours to repeat.
    const position = error instanceof Error ? /position (\d+)/.exec(error.message)?.[1] : undefined;
    throw refuse([
      { pointer: "", detail: `is not JSON${position === undefined ? "" : `: see character ${position}`}` },
    ]);
  }
  if (faults.length > 0) throw refuse(faults);
  return value;
}

function refuse(errors: readonly Fault[]): GatewayError {
  return new GatewayError("Cannot read the request body: it is not the strict JSON that is wanted", {
    code: "invalid-request",
    errors,
  });
}

/** An object or array that the scan is inside of. */
interface Open {
  /** Keys so far; null in an array. */
  readonly keys: Set<string> | null;
  /** Key or index of the member being read. */
  at: string | number;
}

/** One pass over the text. Whether it is JSON at all is left to `JSON.parse`: on nonsense this only has to end. */
function findFaults(text: string): Fault[] | "too-deep" {
  const faults: Fault[] = [];
  const open: Open[] = [];
  let expectKey = false;
  const report = (detail: string): void => {
    if (faults.length < MAX_FAULTS) faults.push({ pointer: pointerTo(open), detail });
  };
  for (let i = 0; i < text.length; i++) {
    const inner = open.at(-1);
    switch (text[i]) {
      case "{":
      case "[": {
        const isObject = text[i] === "{";
        if (open.push({ keys: isObject ? new Set() : null, at: 0 }) > MAX_DEPTH) return "too-deep";
        expectKey = isObject;
        break;
      }
      case "}":
      case "]":
        open.pop();
        expectKey = false;
        break;
      case ",":
        expectKey = inner !== undefined && inner.keys !== null;
        if (inner !== undefined && typeof inner.at === "number") inner.at++;
        break;
      case '"': {
        const end = endOfString(text, i);
        const string = readString(text, i, end);
        if (string === undefined) return faults;
        if (expectKey && inner?.keys) {
          inner.at = string;
          if (inner.keys.has(string)) report("appears more than once");
          inner.keys.add(string);
          expectKey = false;
        }
        if (!string.isWellFormed()) report("holds half of a surrogate pair");
        i = end;
        break;
      }
      default: {
        NUMBER.lastIndex = i;
        const token = NUMBER.exec(text)?.[0];
        if (token === undefined) break;
        if (!survives(token))
          report("is a number that does not survive; send it as a string if the type allows");
        i += token.length - 1;
      }
    }
  }
  return faults;
}

/** @returns index of the closing quote, or -1. Each run of backslashes is counted once: linear overall. */
function endOfString(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); end !== -1; end = text.indexOf('"', end + 1)) {
    let slashes = 0;
    while (text[end - 1 - slashes] === "\\") slashes++;
    if (slashes % 2 === 0) return end;
  }
  return -1;
}

/** @returns the string between two quotes, unescaped; `undefined` when it is none. */
function readString(text: string, start: number, end: number): string | undefined {
  if (end === -1) return undefined;
  const raw = text.slice(start + 1, end);
  if (!raw.includes("\\")) return raw;
  try {
    return JSON.parse(text.slice(start, end + 1));
  } catch {
    return undefined;
  }
}

/**
 * Whether a number's text still says the same after a trip through a double. Fractions are approximations to begin
 * with; an integer is not, and one that would change silently is refused. `1e400` would become Infinity.
 */
function survives(token: string): boolean {
  const value = Number(token);
  if (!Number.isFinite(value)) return false;
  if (Number.isSafeInteger(value) || /[.eE]/.test(token)) return true;
  // The shortest text of a large double, as most JSON writers print it, need not be its exact value.
  return String(value) === token || BigInt(token) === BigInt(value);
}

function pointerTo(open: readonly Open[]): string {
  return open.map(({ at }) => `/${String(at).replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
}
