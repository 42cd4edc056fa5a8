/**
 * A fleet on paper: bursts of runs over nodes with a few executors each, by discrete events. Nothing is measured here;
 * what goes in are figures that the suites measured, and what comes out says how placement and size change waiting.
 */

/** What one node is like. Times in ms. */
export interface Node {
  /** Executors that compute at once. */
  readonly executors: number;
  /** A run of a component that the executor knows. */
  readonly warmMs: number;
  /** First run of a component in an executor: send, compile, first call. */
  readonly firstMs: number;
  /** Another tenant's executor is ended and a new one started. */
  readonly turnoverMs: number;
  /** Components whose compiled code an executor keeps before it is replaced. */
  readonly keeps: number;
}

/** What arrives. */
export interface Load {
  readonly tenants: number;
  readonly tools: number;
  /** Runs a second over the whole fleet, on average. */
  readonly perSecond: number;
  /** Runs that come at the same moment, for one tool of one tenant; 1 = no bursts. */
  readonly burst: number;
  readonly seconds: number;
}

/** Where a run goes: any node in turn; by its tool; by its tenant; by its tenant, and to the next when that is full. */
export type Placement = "round-robin" | "tool" | "tenant" | "tenant, spill";

/** What came out. */
export interface Result {
  readonly p50: number;
  readonly p99: number;
  /** Share of runs that were the first of their tool in their executor. */
  readonly first: number;
  /** Share of runs that ended another tenant's executor. */
  readonly turnover: number;
  /** Share of the time in which executors were busy. */
  readonly busy: number;
}

interface Executor {
  tenant: number;
  freeAt: number;
  readonly known: Set<number>;
}

/** A burst that waits longer than this for its own node goes to the next. */
const SPILL_MS = 20;

/**
 * @param random numbers from 0 to 1; the same stream gives the same result
 */
export function simulate(
  nodes: number,
  node: Node,
  load: Load,
  placement: Placement,
  random: () => number,
): Result {
  const fleet = Array.from({ length: nodes }, () =>
    Array.from({ length: node.executors }, (): Executor => ({ tenant: -1, freeAt: 0, known: new Set() })),
  );
  const latencies: number[] = [];
  let [firsts, turnovers, busyMs, turn, at] = [0, 0, 0, 0, 0];
  while (at < load.seconds * 1000) {
    at += (-Math.log(1 - random()) * 1000 * load.burst) / load.perSecond;
    const tenant = Math.floor(skewed(random) * load.tenants);
    const tool = Math.floor(skewed(random) * load.tools);
    for (let run = 0; run < load.burst; run += 1) {
      const executor = choose(tenant, tool);
      const start = Math.max(at, executor.freeAt);
      let took = node.warmMs;
      if (executor.tenant !== tenant) {
        if (executor.tenant >= 0) {
          took += node.turnoverMs;
          turnovers += 1;
        }
        executor.tenant = tenant;
        executor.known.clear();
      }
      if (!executor.known.has(tool)) {
        took += node.firstMs;
        firsts += 1;
        if (executor.known.size >= node.keeps) executor.known.clear();
        executor.known.add(tool);
      }
      executor.freeAt = start + took;
      busyMs += took;
      latencies.push(executor.freeAt - at);
    }
  }

  function choose(tenant: number, tool: number): Executor {
    if (placement === "round-robin") return best(turn++ % nodes, tenant, tool);
    const home = hash(placement === "tool" ? tool : tenant) % nodes;
    const own = best(home, tenant, tool);
    if (placement !== "tenant, spill" || own.freeAt - at <= SPILL_MS) return own;
    const next = best((home + 1) % nodes, tenant, tool);
    return next.freeAt < own.freeAt ? next : own;
  }

  /** The executor of a node in which this run would end first. */
  function best(index: number, tenant: number, tool: number): Executor {
    const executors = fleet[index] ?? [];
    const endIn = (executor: Executor) =>
      Math.max(at, executor.freeAt) +
      (executor.tenant === tenant || executor.tenant < 0 ? 0 : node.turnoverMs) +
      (executor.tenant === tenant && executor.known.has(tool) ? 0 : node.firstMs);
    const found = executors.toSorted((a, b) => endIn(a) - endIn(b))[0];
    if (found === undefined) throw new RangeError("A node needs an executor");
    return found;
  }

  const sorted = latencies.toSorted((a, b) => a - b);
  const quantile = (share: number) =>
    sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
  return {
    p50: quantile(0.5),
    p99: quantile(0.99),
    first: firsts / latencies.length,
    turnover: turnovers / latencies.length,
    busy: busyMs / (at * nodes * node.executors),
  };
}

/** Few are asked for often: a square of an even number. */
function skewed(random: () => number): number {
  return random() ** 2;
}

function hash(value: number): number {
  return Math.imul(value + 1, 0x9e3779b1) >>> 8;
}

/** A small stream of numbers for simulations: Mulberry32. */
export function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}
