/** Journals at rest: kept encrypted, proven by the digest that is signed, read back, erased. */
import { sha256Hex } from "../core/digest.ts";
import { beginRounds } from "../core/rounds.ts";
import type { Clock, Entropy, Erasure, ErasureScope, Files, JournalStore } from "../ports/index.ts";
import { Vault } from "./vault.ts";

const DAY_MS = 86_400_000;
/** Between rounds of erasing what is over its days. */
const ROUND_MS = 600_000;
/** Keys are erased by hand: one that goes twice while one journal is kept is no accident. */
const ATTEMPTS = 3;

/** What journals are kept with. */
export interface JournalPowers {
  readonly store: JournalStore;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly files: Files;
  /** Of the master key's file. */
  readonly keyPath: string;
}

/** A journal to keep. */
export interface KeptJournal {
  readonly run: string;
  readonly tenant: string;
  readonly text: string;
  readonly retentionDays: number;
}

/** Journals of one data folder. Nothing here changes what is signed: whatever is erased, every proof still holds. */
export interface Journals {
  /** Durable when it resolves. @throws when it could not be kept: then the run's output must be withheld */
  keep(journal: KeptJournal): Promise<void>;
  /**
   * @returns the text; undefined when there is none
   * @throws {GatewayError} `evidence-unavailable` when it is there and can not be opened
   */
  read(run: string): Promise<string | undefined>;
  findErasure(run: string): Promise<Erasure | undefined>;
  /** @returns how many journals were erased */
  erase(scope: ErasureScope): Promise<number>;
  /**
   * Erases what its policy wants no longer kept, now and again and again.
   *
   * @param onError told of rounds that failed; the next one tries again
   * @returns stops it, and waits for the round under way
   */
  watch(onError: (error: unknown) => void): () => Promise<void>;
}

/** @returns `sha256:<hex>` of a journal's text: what the manifest says of it as `journal_hash` */
export function journalHash(text: string): string {
  return `sha256:${sha256Hex(new TextEncoder().encode(text))}`;
}

/** The journals of one store. */
export function createJournals({ store, clock, entropy, files, keyPath }: JournalPowers): Journals {
  const vault = new Vault({ files, entropy, store, path: keyPath });
  return {
    async keep({ run, tenant, text, retentionDays }) {
      const bytes = new TextEncoder().encode(text);
      for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
        const key = await vault.keyOf(tenant);
        const content = await vault.encrypt(key, placeOf(tenant, run), bytes);
        const keptAtMs = clock.nowMs();
        const expiresAtMs = keptAtMs + retentionDays * DAY_MS;
        if (await store.put({ run, tenant, keyId: key.id, keptAtMs, expiresAtMs, content })) return;
      }
      throw new Error(`Cannot keep the journal of ${run}: the key of its tenant is erased again and again`);
    },
    async read(run) {
      const row = await store.find(run);
      if (row === undefined) return undefined;
      const { tenant, keyId, content } = row;
      return new TextDecoder().decode(await vault.decrypt(tenant, keyId, placeOf(tenant, run), content));
    },
    findErasure: (run) => store.findErasure(run),
    erase: (scope) => store.erase(scope, clock.nowMs()),
    watch(onError) {
      const work = () => {
        const nowMs = clock.nowMs();
        return store.erase({ kind: "retention", expiredBeforeMs: nowMs }, nowMs);
      };
      return beginRounds({ clock, everyMs: () => ROUND_MS, atOnce: true, work, onError });
    },
  };
}

function placeOf(tenant: string, run: string): string {
  return JSON.stringify([tenant, run]);
}
