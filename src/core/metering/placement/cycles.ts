/**
 * Breaks the cycles of a graph: chooses vertices so that every cycle passes one. To choose the fewest is not feasible for
 * thousands of vertices; this takes what weighs most in each strongly connected part, and looks at what is left of it.
 *
 * Of a large part several are taken at once, and more each time, so that the time is in proportion to the graph's size.
 *
 * @see https://en.wikipedia.org/wiki/Tarjan%27s_strongly_connected_components_algorithm
 */

/** A graph: the edges of vertex `v` lead to `to[first[v]]` up to, and without, `to[first[v + 1]]`. */
export interface Graph {
  readonly first: Int32Array;
  readonly to: Int32Array;
}

/** The share of a part that is chosen at once: at first, also of one that is huge, and how it grows each time. */
const AT_FIRST = 1 / 64;
const AT_FIRST_OF_HUGE = 1 / 4;
const MORE_EACH_TIME = 2;
const HUGE = 10_000;
/** Of smaller parts one is chosen at a time. */
const SMALL = 16;

/**
 * Chooses vertices.
 *
 * @param chosen by vertex, 1 where it is chosen already; gets the others
 * @param weights by vertex: what it is worth to choose it, for as many edges of its part
 */
export function breakCycles(graph: Graph, chosen: Uint8Array, weights: Int32Array): void {
  const finder = new PartFinder(graph, chosen);
  const waiting = finder
    .partsOf(finder.all)
    .map((part) => ({ part, share: part.length > HUGE ? AT_FIRST_OF_HUGE : AT_FIRST }));
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { part, share } = next;
    const alone = part.filter((v) => finder.leadsToItself(v));
    const most = part.length <= SMALL ? 1 : Math.ceil(part.length * Math.min(share, 1));
    for (const v of alone.length > 0 ? alone : worthiest(finder, part, weights, most)) chosen[v] = 1;
    for (const left of finder.partsOf(part)) waiting.push({ part: left, share: share * MORE_EACH_TIME });
  }
}

/** The vertices of each part of a graph that has cycles: each is reached from each. */
export function partsOf(graph: Graph): readonly (readonly number[])[] {
  const finder = new PartFinder(graph, new Uint8Array(graph.first.length - 1));
  return finder.partsOf(finder.all);
}

/** The same edges, turned round. */
export function turned({ first, to }: Graph): Graph {
  const vertices = first.length - 1;
  const edges = first[vertices] ?? 0;
  const starts = new Int32Array(vertices + 1);
  for (let edge = 0; edge < edges; edge += 1)
    starts[(to[edge] ?? 0) + 1] = (starts[(to[edge] ?? 0) + 1] ?? 0) + 1;
  for (let v = 0; v < vertices; v += 1) starts[v + 1] = (starts[v + 1] ?? 0) + (starts[v] ?? 0);
  const next = starts.slice();
  const sources = new Int32Array(edges);
  for (let v = 0; v < vertices; v += 1) {
    for (let edge = first[v] ?? 0; edge < (first[v + 1] ?? 0); edge += 1) {
      const w = to[edge] ?? 0;
      const at = next[w] ?? 0;
      sources[at] = v;
      next[w] = at + 1;
    }
  }
  return { first: starts, to: sources };
}

function worthiest(
  finder: PartFinder,
  part: readonly number[],
  weights: Int32Array,
  most: number,
): readonly number[] {
  const worth = finder.degreesIn(part).map((degree, i) => degree * (weights[part[i] ?? 0] ?? 0));
  const order = part.map((_, i) => i).sort((a, b) => (worth[b] ?? 0) - (worth[a] ?? 0));
  return order.slice(0, most).map((i) => part[i] ?? 0);
}

/** Stands for the number of a vertex whose part is found. */
const FOUND = 0x7fff_ffff;

/** Finds the parts of a graph without the vertices that are chosen. */
class PartFinder {
  readonly #graph: Graph;
  readonly #chosen: Uint8Array;
  /** Which set of vertices each is in. */
  readonly #set: Int32Array;
  #sets = 0;
  /** Numbers in the order of the walk, from 1; the least that is reached; the next edge. */
  readonly #number: Int32Array;
  readonly #least: Int32Array;
  readonly #edge: Int32Array;
  readonly #into: Int32Array;

  constructor(graph: Graph, chosen: Uint8Array) {
    const count = graph.first.length - 1;
    this.#graph = graph;
    this.#chosen = chosen;
    this.#set = new Int32Array(count);
    this.#number = new Int32Array(count);
    this.#least = new Int32Array(count);
    this.#edge = new Int32Array(count);
    this.#into = new Int32Array(count);
  }

  /** All vertices. */
  get all(): readonly number[] {
    return Array.from(this.#set, (_, v) => v);
  }

  /** Whether an edge of the vertex leads to itself. */
  leadsToItself(v: number): boolean {
    const { first, to } = this.#graph;
    for (let edge = first[v] ?? 0; edge < (first[v + 1] ?? 0); edge += 1) if (to[edge] === v) return true;
    return false;
  }

  /** For each vertex of a set, the edges from the set or into it, whichever are fewer. */
  degreesIn(vertices: readonly number[]): readonly number[] {
    const { first, to } = this.#graph;
    const set = this.#mark(vertices);
    for (const v of vertices) this.#into[v] = 0;
    const out = vertices.map((v) => {
      let count = 0;
      for (let edge = first[v] ?? 0; edge < (first[v + 1] ?? 0); edge += 1) {
        const w = to[edge] ?? 0;
        if (!this.#isIn(w, set)) continue;
        this.#into[w] = (this.#into[w] ?? 0) + 1;
        count += 1;
      }
      return count;
    });
    return vertices.map((v, i) => Math.min(this.#into[v] ?? 0, out[i] ?? 0));
  }

  /** The parts of a set of vertices that have cycles. */
  partsOf(vertices: readonly number[]): number[][] {
    const set = this.#mark(vertices);
    const parts: number[][] = [];
    const open: number[] = [];
    let next = 1;
    for (const v of vertices) this.#number[v] = 0;
    for (const root of vertices) {
      if (this.#chosen[root] === 1 || this.#number[root] !== 0) continue;
      next = this.#walk(root, set, next, open, parts);
    }
    return parts;
  }

  #walk(root: number, set: number, from: number, open: number[], parts: number[][]): number {
    const { first, to } = this.#graph;
    const walk: number[] = [];
    let next = from;
    const enter = (v: number): void => {
      this.#number[v] = next;
      this.#least[v] = next;
      this.#edge[v] = first[v] ?? 0;
      next += 1;
      walk.push(v);
      open.push(v);
    };
    enter(root);
    for (let v = walk.at(-1); v !== undefined; v = walk.at(-1)) {
      const edge = this.#edge[v] ?? 0;
      if (edge < (first[v + 1] ?? 0)) {
        this.#edge[v] = edge + 1;
        const w = to[edge] ?? 0;
        if (!this.#isIn(w, set)) continue;
        const number = this.#number[w] ?? 0;
        if (number === 0) enter(w);
        else if (number !== FOUND) this.#lower(v, number);
        continue;
      }
      walk.pop();
      const above = walk.at(-1);
      if (above !== undefined) this.#lower(above, this.#least[v] ?? 0);
      if (this.#least[v] !== this.#number[v]) continue;
      if (open.at(-1) === v) {
        open.pop(); // nearly always
        this.#number[v] = FOUND;
        if (this.leadsToItself(v)) parts.push([v]);
        continue;
      }
      const part = open.splice(open.lastIndexOf(v));
      for (const w of part) this.#number[w] = FOUND;
      parts.push(part);
    }
    return next;
  }

  #lower(v: number, least: number): void {
    if (least < (this.#least[v] ?? 0)) this.#least[v] = least;
  }

  /** Makes vertices a set of their own. */
  #mark(vertices: readonly number[]): number {
    this.#sets += 1;
    for (const v of vertices) this.#set[v] = this.#sets;
    return this.#sets;
  }

  #isIn(v: number, set: number): boolean {
    return this.#set[v] === set && this.#chosen[v] === 0;
  }
}
