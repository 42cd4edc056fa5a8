/** The transparency log as it grows: entries appended a second, and what a proof and its verification cost by size. */
import { join } from "node:path";
import { runtime } from "#runtime";
import { sha256Hex } from "../../../src/core/digest.ts";
import {
  leafHash,
  proveConsistency,
  proveInclusion,
  TileNodes,
  TreeEdge,
  verifyConsistency,
  verifyInclusion,
} from "../../../src/core/merkle/index.ts";
import { openStore } from "../../../src/stores/index.ts";
import { type Row, rowOf } from "../harness.ts";
import type { Figure, Suite } from "../suite.ts";

const SAMPLES = 200;
/** As many as the store keeps with their nodes. */
const CACHED_TILES = 64;

/** The suite. */
export const log: Suite = {
  name: "log",
  about: "appends per second; proofs and their verification from 10^3 to 10^7 entries",
  async run({ folder, quick, say }) {
    const sizes = quick ? [1_000, 10_000] : [1_000, 10_000, 100_000, 1_000_000, 10_000_000];
    const rows: Record<"prove" | "verify" | "grow", Row[]> = { prove: [], verify: [], grow: [] };
    const figures: Figure[] = [];
    const edge = new TreeEdge(0);
    // As the store keeps them: full tiles; the nodes above are computed when a proof asks.
    const tiles = new Map<string, Uint8Array>();
    const open = new Map<string, TileNodes>();
    let reads = 0;
    const readFull = (level: number, index: number) => {
      reads++;
      const key = `${level}/${index}`;
      const nodes = open.get(key) ?? new TileNodes(tiles.get(key));
      open.set(key, nodes);
      const [oldest] = open.keys();
      if (open.size > CACHED_TILES && oldest !== undefined) open.delete(oldest);
      return nodes;
    };
    const node = (level: number, at: number) => edge.node(level, at, readFull);
    const leafOf = (n: number) => leafHash(new TextEncoder().encode(`entry ${n}`));
    for (const size of sizes) {
      say(`${size} entries`);
      const from = edge.size;
      const startedMs = performance.now();
      while (edge.size < size)
        for (const tile of edge.append(leafOf(edge.size)))
          tiles.set(`${tile.level}/${tile.index}`, tile.hashes);
      const seconds = (performance.now() - startedMs) / 1000;
      const name = `${size} entries`;
      figures.push({
        name: `tree alone, up to ${size}`,
        value: (size - from) / seconds,
        unit: "entries per second",
      });
      const root = edge.root();
      const [prove, verify, grow]: number[][] = [[], [], []];
      // What does not depend on the machine: hashes of the longest proofs, and the most tiles that one asked for.
      const most = { inclusion: 0, consistency: 0, tiles: 0 };
      for (let n = 0; n < SAMPLES; n++) {
        const index = Math.floor((size * n) / SAMPLES);
        reads = 0;
        const [a, path] = timed(() => proveInclusion(index, size, node));
        most.tiles = Math.max(most.tiles, reads);
        most.inclusion = Math.max(most.inclusion, path.length);
        const claim = { index: BigInt(index), size: BigInt(size), leaf: leafOf(index), path };
        const [b, isThere] = timed(() => verifyInclusion(claim, root));
        const oldSize = index + 1;
        const [c, growth] = timed(() => proveConsistency(oldSize, size, node));
        most.consistency = Math.max(most.consistency, growth.length);
        if (!isThere || (n === 0 && !consistent(oldSize, growth, leafOf(0), size, root)))
          throw new Error(`A proof of ${size} entries does not hold`);
        prove?.push(a);
        verify?.push(b);
        grow?.push(c);
      }
      // A proof has a hash for each level of the tree at most, two where two trees are compared.
      const levels = Math.ceil(Math.log2(size));
      if (most.inclusion > levels || most.consistency > 2 * levels)
        throw new Error(`Proofs of ${size} entries have ${most.inclusion} and ${most.consistency} hashes`);
      figures.push(
        { name: `hashes of an inclusion proof at most, of ${size}`, value: most.inclusion, unit: "hashes" },
        {
          name: `hashes of a consistency proof at most, of ${size}`,
          value: most.consistency,
          unit: "hashes",
        },
        { name: `nodes asked of tiles for a proof at most, of ${size}`, value: most.tiles, unit: "nodes" },
      );
      rows.prove.push(rowOf(name, prove ?? []));
      rows.verify.push(rowOf(name, verify ?? []));
      rows.grow.push(rowOf(name, grow ?? []));
    }
    for (const [kind, list] of Object.entries(rows)) {
      const [first, last] = [list[0]?.p50 ?? Number.NaN, list.at(-1)?.p50 ?? Number.NaN];
      figures.push({ name: `${kind}, largest to smallest`, value: last / first, unit: "times" });
    }
    say("durable appends, 256 at once");
    figures.push(...(await durable(folder, quick ? 2_000 : 50_000)));
    return {
      tables: [
        { title: "inclusion proof, made from tiles", rows: rows.prove },
        { title: "inclusion proof, verified", rows: rows.verify },
        { title: "consistency proof, made from tiles", rows: rows.grow },
      ],
      figures,
      notes: [
        "proofs read 256-wide tiles; a tile that is not among the 64 that are kept is hashed anew, as in the store",
      ],
    };
  },
};

function timed<T>(work: () => T): readonly [ms: number, result: T] {
  const at = performance.now();
  const result = work();
  return [performance.now() - at, result];
}

/** A proof from the log's first entry, whose root is its leaf. */
function consistent(
  oldSize: number,
  path: readonly Uint8Array[],
  oldRoot: Uint8Array,
  size: number,
  root: Uint8Array,
): boolean {
  return verifyConsistency({ oldSize: BigInt(oldSize), oldRoot, size: BigInt(size), root, path });
}

/** Denials, which are intent and seal in one write, through the store with its syncs. */
async function durable(folder: string, count: number): Promise<readonly Figure[]> {
  const store = await openStore(runtime.openSqlite(join(folder, "log.sqlite")));
  const at = performance.now();
  for (let n = 0; n < count; n += 256) {
    await Promise.all(
      Array.from({ length: Math.min(256, count - n) }, (_, k) => {
        const run = `run_${String(n + k).padStart(26, "0")}`;
        const intent = { run, tenant: "bench", tool: "t", function: "f", admittedAtMs: n, predicate: "{}" };
        const entry = `{"apiVersion":"0.0.2","kind":"hashedrekord","spec":"${run}"}`;
        return store.recordRefusal(intent, {
          ...{ run, entry, outcome: "denied", digest: sha256Hex(run), bundle: "{}", sealedAtMs: n },
        });
      }),
    );
  }
  const seconds = (performance.now() - at) / 1000;
  const proving: number[] = [];
  for (let n = 0; n < SAMPLES; n++) {
    const before = performance.now();
    await store.prove(Math.floor((count * n) / SAMPLES));
    proving.push(performance.now() - before);
  }
  await store.close();
  return [
    {
      name: "durable appends with intent and seal, 256 at once",
      value: count / seconds,
      unit: "entries per second",
    },
    { name: `proof from the store's rows, of ${count}`, value: rowOf("", proving).p50, unit: "ms" },
  ];
}
