/** Everything a runtime gives us, in one value: `runtime/node.ts` and `runtime/deno.ts` implement it. */
import type { AppendFile } from "./append-file.ts";
import type { Clock } from "./clock.ts";
import type { Entropy } from "./entropy.ts";
import type { Files, FolderEntry } from "./files.ts";
import type { LocalSockets } from "./local-sockets.ts";
import type { PostgresServer } from "./postgres.ts";
import type { Resolver } from "./resolver.ts";
import type { Signing } from "./signing.ts";
import type { Verification } from "./verification.ts";

/** A SQLite statement, as Kysely's SQLite driver wants it. */
export interface SqliteStatement {
  /** Whether it returns rows. */
  readonly reader: boolean;
  all(parameters: readonly unknown[]): unknown[];
  run(parameters: readonly unknown[]): { changes: number | bigint; lastInsertRowid: number | bigint };
  iterate(parameters: readonly unknown[]): IterableIterator<unknown>;
}

/** An open SQLite database. */
export interface SqliteDatabase {
  prepare(sql: string): SqliteStatement;
  exec(sql: string): void;
  close(): void;
  /**
   * Lets go of the file and opens it anew, by descriptors that nothing failed on. Statements prepared before are void.
   * Absent for a database in memory.
   *
   * @throws when it can not be opened: then there is none open, and this may be called again
   */
  reopen?(): void;
}

/** A child process that speaks over one pipe. */
export interface ExecutorProcess {
  readonly pid: number;
  /** Bytes the child wrote. Ends when the child is gone. */
  readonly output: AsyncIterable<Uint8Array>;
  /**
   * Writes the pieces behind one another, and nothing between them. Resolves when they are handed to the system; rejects
   * when the child is gone. They must stay as they are until then.
   */
  write(...pieces: readonly Uint8Array[]): Promise<void>;
  /** SIGKILL. Idempotent. */
  kill(): void;
  /** What the system says of it. */
  readonly view: ProcessView;
  /** How it ended; resolves once. `diagnostics` is the tail of its stderr, at most 8 KiB. */
  readonly exited: Promise<{ readonly code: number | null; readonly diagnostics: string }>;
}

/** Memory of a process, in bytes. */
export interface ProcessMemory {
  /** What is in memory now. */
  readonly residentBytes: number;
  /** Private memory that it may write, whether or not it ever did: what {@link ProcessView.limitWritable} bounds. */
  readonly writableBytes: number;
}

/** A process from outside, as the operating system's kernel sees it: nothing here is the process's own word. */
export interface ProcessView {
  /** Of the executor itself, which is a child of the program that made its cage; undefined before it is there. */
  pid(): number | undefined;
  /** Layers of its cage that the kernel confirms, e.g. `os-no-new-privileges`; none where it can not be asked. */
  confinement(): readonly string[];
  /** What it holds; undefined when it is gone or can not be asked. */
  memory(): ProcessMemory | undefined;
  /**
   * Has the kernel refuse it private memory that can be written, beyond so many bytes: what it asks for after that it does
   * not get. Undefined where there is no such limit to be had.
   *
   * @returns false when the kernel did not take it
   */
  readonly limitWritable: ((bytes: number) => Promise<boolean>) | undefined;
  /**
   * Lets other processes go before it, or no longer.
   *
   * @returns false when the system does not allow it
   */
  yieldToOthers(yields: boolean): boolean;
}

/** Which program an executor process runs; `probe` only says what the operating system's cage refuses it. */
export type ExecutorRole = "run" | "prepare" | "probe";

/** What the operating system adds to the runtime's own permissions. */
export type SystemCage = "bubblewrap" | "landlock" | "setpriv" | "none";

/** How an executor process is kept. */
export interface Cage {
  readonly runtime: "node" | "deno";
  readonly system: SystemCage;
}

/** What the gateway's process can do. */
export interface Runtime {
  readonly name: "node" | "deno";
  readonly version: string;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly signing: Signing;
  readonly verification: Verification;
  readonly files: Files;
  readonly resolver: Resolver;
  /** Whether a TLS connection of its own asks its server for no more while nobody takes what has come. */
  readonly tlsHoldsBack: boolean;
  /**
   * Reads a folder whole, following no link.
   *
   * @throws when it holds anything but files and folders, or more than the limits
   */
  readFolder(
    path: string,
    limits: { readonly entries: number; readonly bytes: number },
  ): Promise<readonly FolderEntry[]>;
  readonly sockets: LocalSockets;
  readonly args: readonly string[];
  env(name: string): string | undefined;
  /** Terminal output. */
  print(line: string): void;
  printError(line: string): void;
  /** Whether `print` goes to a terminal, and how many columns that has. */
  readonly terminal: { readonly isTty: boolean; readonly columns: number | undefined };
  /** All of standard input. */
  readStdin(): Promise<Uint8Array<ArrayBuffer>>;
  /** Sets the exit code and lets the process end by itself. */
  setExitCode(code: number): void;
  /** Calls `action` once on SIGINT or SIGTERM. */
  onStopSignal(action: () => void): void;
  /** Calls `action` on every SIGHUP, which then ends nothing. */
  onReloadSignal(action: () => void): void;
  /**
   * Runs a program of the operator's, without a shell, and gives its standard output.
   *
   * @throws when it fails, takes longer than 10 s, or says more than 64 KiB
   */
  runCommand(command: readonly string[]): Promise<Uint8Array>;
  openSqlite(path: string): SqliteDatabase;
  /** @param url `postgres://…` */
  openPostgres(url: string): Promise<PostgresServer>;
  /** Opens a file for appending, making it and its folder, for its owner alone, when they are missing. */
  openAppend(path: string): Promise<AppendFile>;
  /**
   * Starts a locked-down child: no environment, and nothing of the file system but what `role` must read.
   *
   * @param cage default: this runtime, its permissions and nothing of the system's
   */
  spawnExecutor(role: ExecutorRole, cage?: Partial<Cage>): ExecutorProcess;
  serve(
    handler: (request: Request) => Promise<Response> | Response,
    options: { readonly hostname: string; readonly port: number },
  ): Promise<HttpServer>;
}

/** A listening server. */
export interface HttpServer {
  /** The port that was bound; useful when 0 was asked for. */
  readonly port: number;
  /**
   * Stops accepting, lets requests under way finish, resolves when all are done.
   *
   * @param graceMs how long they may take; what is not whole or not answered then is cut off. Default 15 s
   */
  close(graceMs?: number): Promise<void>;
}
