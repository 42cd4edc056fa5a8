/**
 * Seals, and appends to the log: one transaction for all that waits on this gateway, two round trips long, and one at a
 * time among all gateways.
 *
 * INVARIANT: the log's lock is taken before anything else of the transaction, and held until its commit is durable. So
 * whoever has it sees every seal there is, sequences have no gap, and there is one history whoever writes it. The lock
 * ends with its connection: a gateway that dies here leaves nothing.
 */
import { emptyRoot } from "../../core/merkle/index.ts";
import type {
  Intent,
  Logged,
  LogHead,
  PostgresConnection,
  PostgresResult,
  PostgresServer,
  RunSettlement,
  Seal,
} from "../../ports/index.ts";
import type { LeaseColumns } from "../account-queries.ts";
import { settlements } from "../account-steps.ts";
import * as queries from "../queries.ts";
import type { Settled } from "./batcher.ts";
import { type LogTree, type Read, takenBack } from "./log-tree.ts";
import { closeRuns, endLeases, insertRefused, insertSeals } from "./sealing-queries.ts";
import {
  BEGIN,
  COMMIT,
  isRefusal,
  isWorthRepeating,
  ROLLBACK,
  rowsOf,
  type Statements,
  takeLocks,
} from "./statements.ts";
import { MOST_ATTEMPTS, withConnection } from "./transaction.ts";

/** What is to be sealed; with its intent when it was never open. */
export interface Sealing {
  readonly seal: Seal;
  /** What the run comes to; absent = nobody knows. */
  readonly settlement?: RunSettlement;
  readonly refused?: Intent;
}

/** The log before its first entry. */
export const EMPTY: LogHead = { size: 0, root: emptyRoot() };

const LOG_LOCK = { name: "log" };

/** The seals of one gateway. */
export class Sealer {
  readonly #server: PostgresServer;
  readonly #statements: Statements;
  readonly #tree: LogTree;

  constructor(server: PostgresServer, statements: Statements, tree: LogTree) {
    this.#server = server;
    this.#statements = statements;
    this.#tree = tree;
  }

  /** @returns what became of each @throws what became of all: then nothing is stored, unless the commit was lost */
  async seal(group: readonly Sealing[]): Promise<readonly Settled<Logged>[]> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await withConnection(this.#server, (connection) => this.#transact(connection, group));
      } catch (error) {
        this.#tree.forget();
        if (attempt < MOST_ATTEMPTS && isWorthRepeating(error)) continue;
        if (group.length === 1 || !isRefusal(error)) throw error;
        // One of them is what the database will not take, and nothing of the group is stored: each by itself.
        return await this.#sealApart(group);
      }
    }
  }

  async #sealApart(group: readonly Sealing[]): Promise<readonly Settled<Logged>[]> {
    const settled: Settled<Logged>[] = [];
    for (const one of group) {
      try {
        settled.push(...(await this.seal([one])));
      } catch (error) {
        settled.push({ error });
      }
    }
    return settled;
  }

  async #transact(
    connection: Pick<PostgresConnection, "send">,
    group: readonly Sealing[],
  ): Promise<readonly Settled<Logged>[]> {
    const read: Read = async (query) => {
      const [result] = await connection.send([this.#statements.of(query)]);
      return rowsOf(result);
    };
    const least = this.#tree.seen.size;
    const { closed, admitted, leases, newest } = await this.#begin(connection, group);
    if (newest.size < least) throw new Error(takenBack(`has ${newest.size} of ${least}`));
    const edge = await this.#tree.follow(newest, read);

    const accepted: Sealing[] = [];
    const sequences = group.map((one) => {
      // Taken out of the set: a second seal of the same run, in the same group, is one too many.
      if (!(one.refused === undefined ? closed : admitted).delete(one.seal.run)) return undefined;
      accepted.push(one);
      return edge.size + accepted.length - 1;
    });
    if (accepted.length === 0) {
      await connection.send([ROLLBACK]);
      return group.map((one) => ({ error: notAccepted(one) }));
    }
    const first = edge.size;
    const tiles = this.#tree.add(
      edge,
      accepted.map(({ seal }) => seal.entry),
    );
    const head: LogHead = { size: edge.size, root: edge.root() };
    await connection.send([
      insertSeals(
        first,
        accepted.map(({ seal }) => seal),
      ),
      ...tiles.map((tile) => this.#statements.of(queries.insertTile(tile))),
      this.#statements.of(queries.insertHead(head)),
      ...settlementsOf(accepted, leases).map((query) => this.#statements.of(query)),
      COMMIT,
    ]);
    this.#tree.saw(head);
    // A crash before this line leaves seals that are durable and that nobody was told of; never the reverse.
    const settled: Settled<Logged>[] = [];
    for (const [index, sequence] of sequences.entries()) {
      const one = group[index];
      if (sequence !== undefined) settled.push(await this.#prove(sequence, head, read));
      else if (one !== undefined) settled.push({ error: notAccepted(one) });
    }
    return settled;
  }

  /** The first round trip: the lock, the runs that may be sealed, and what others appended. */
  async #begin(connection: Pick<PostgresConnection, "send">, group: readonly Sealing[]) {
    const open = group.filter(({ refused }) => refused === undefined).map(({ seal }) => seal.run);
    const refused = group.flatMap((one) => (one.refused === undefined ? [] : [one.refused]));
    const opening = [BEGIN, ...takeLocks([LOG_LOCK])];
    const [heads, ...changed] = (
      await connection.send([
        ...opening,
        this.#statements.of(queries.selectNewestHead()),
        ...(open.length > 0 ? [closeRuns(open), endLeases(open)] : []),
        ...(refused.length > 0 ? [insertRefused(refused)] : []),
      ])
    ).slice(opening.length);
    const [closed, leases] = open.length > 0 ? changed : [];
    const admitted = refused.length > 0 ? changed.at(-1) : undefined;
    const [newest] = rowsOf<LogHead>(heads);
    return {
      newest: newest ?? EMPTY,
      closed: runsOf(closed),
      admitted: runsOf(admitted),
      leases: new Map(rowsOf<LeaseColumns>(leases).map(({ run, held }) => [run, held])),
    };
  }

  async #prove(sequence: number, head: LogHead, read: Read): Promise<Settled<Logged>> {
    try {
      return { value: { sequence, head, path: await this.#tree.path(sequence, head, read) } };
    } catch (error) {
      // It is durable all the same, and the others of its group are none of its business.
      return { error };
    }
  }
}

function runsOf(result: PostgresResult | undefined): Set<string> {
  return new Set(rowsOf<{ run: string }>(result).map(({ run }) => run));
}

/** @param leases by run, of runs that had one still */
function settlementsOf(accepted: readonly Sealing[], leases: ReadonlyMap<string, string>) {
  const runs = accepted.filter(({ refused }) => refused === undefined);
  return settlements(runs.map((one) => ({ ...one, held: leases.get(one.seal.run) })));
}

function notAccepted({ seal: { run }, refused }: Sealing): Error {
  return refused === undefined
    ? new Error(`Cannot seal run ${JSON.stringify(run)}: it is not open`)
    : new Error(`Cannot record refusal ${JSON.stringify(run)}: there is a run of that id`);
}
