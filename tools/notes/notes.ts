/**
 * The notes tool: keeps short notes between runs, as keys and values, and writes all of them into one file.
 *
 * Where the notes lie is the host's affair: a bucket is the tenant's and this tool's own, and so is the file. Nothing
 * here says whose they are, so nothing here could mix them up.
 *
 * An `err` of an import is thrown; its word is `payload`. What this file throws is the `err` of its own functions. This
 * engine has 64-bit integers as numbers, and null where there is none.
 */
import { type Descriptor, getDirectories } from "wasi:filesystem/preopens@0.2.12";
import { increment } from "wasi:keyvalue/atomics@0.2.0-draft2";
import { type Bucket, open } from "wasi:keyvalue/store@0.2.0-draft2";

interface Note {
  readonly title: string;
  readonly text: string;
  readonly revision: number;
}

type NotesError = { readonly tag: "bad-title" | "unknown" | "full" | "not-permitted" };

const TITLE = /^[a-z0-9-]{1,64}$/;
/** Where the policy opens the tenant's volume, and the file in it. */
const VOLUME = "/archive";
const FILE = "notes.txt";
const PIECE_BYTES = 65_536;

/** The interface `notes` of world.wit. */
export const notes = {
  write(title: string, text: string): Note {
    requireTitle(title);
    return kept(() => {
      open("notes").set(title, encode(text));
      return { title, text, revision: increment(open("revisions"), title, 1) };
    });
  },

  read(title: string): Note {
    requireTitle(title);
    return kept(() => {
      const text = textOf(open("notes"), title);
      // Adding nothing reads the count without a race.
      return { title, text, revision: increment(open("revisions"), title, 0) };
    });
  },

  titles: (): readonly string[] => kept(() => titlesIn(open("notes"))),

  forget(title: string): void {
    requireTitle(title);
    kept(() => {
      open("notes").delete(title);
      open("revisions").delete(title);
    });
  },

  archive(): number {
    return kept(() => {
      const bucket = open("notes");
      const lines = titlesIn(bucket).map((title) => `${title}: ${textOf(bucket, title)}\n`);
      const bytes = encode(lines.join(""));
      const file = volume().openAt({}, FILE, { create: true, truncate: true }, { write: true });
      file.write(bytes, 0);
      // Whoever is told of the archive may rely on it: what the volume has no room for fails here.
      file.sync();
      return bytes.length;
    });
  },

  archived(): string {
    return kept(() => {
      const file = volume().openAt({}, FILE, {}, { read: true });
      let text = "";
      for (let offset = 0; ; ) {
        const [bytes, end] = file.read(PIECE_BYTES, offset);
        for (const byte of bytes) text += String.fromCharCode(byte);
        offset += bytes.length;
        if (end) return decode(text);
      }
    });
  },
};

function requireTitle(title: string): void {
  if (!TITLE.test(title)) throw { tag: "bad-title" } satisfies NotesError;
}

function titlesIn(bucket: Bucket): readonly string[] {
  const titles: string[] = [];
  let cursor: string | null = null;
  do {
    const page = bucket.listKeys(cursor);
    titles.push(...page.keys);
    cursor = page.cursor;
  } while (cursor !== null);
  return titles.sort();
}

function textOf(bucket: Bucket, title: string): string {
  const value = bucket.get(title);
  if (value === null) throw { tag: "unknown" } satisfies NotesError;
  return decode(String.fromCharCode(...value));
}

function volume(): Descriptor {
  const found = getDirectories().find(([, path]) => path === VOLUME);
  if (found === undefined) throw { tag: "not-permitted" } satisfies NotesError;
  return found[0];
}

/** Does something with what is kept; what the host says no to becomes a word of this tool. */
function kept<T>(work: () => T): T {
  try {
    return work();
  } catch (thrown) {
    throw { tag: wordFor(thrown) } satisfies NotesError;
  }
}

function wordFor(thrown: unknown): NotesError["tag"] {
  const refusal = thrown instanceof Error ? Reflect.get(thrown, "payload") : thrown;
  const word = typeof refusal === "string" ? refusal : refusal?.tag;
  switch (word) {
    case "bad-title":
    case "unknown":
      return word;
    case "no-entry":
      return "unknown";
    case "quota":
    case "insufficient-space":
    // Keys and values have no word for it: what is neither absent nor denied did not fit.
    case "other":
      return "full";
    default:
      return "not-permitted";
  }
}

/** This engine has no TextEncoder; these are older than it. */
function encode(text: string): Uint8Array {
  return Uint8Array.from(unescape(encodeURIComponent(text)), (char) => char.charCodeAt(0));
}

function decode(bytes: string): string {
  return decodeURIComponent(escape(bytes));
}
