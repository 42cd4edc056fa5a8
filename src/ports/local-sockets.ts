/** Sockets in the file system: to another process of the same machine, never to a network. */

/** One connection. */
export interface LocalSocket {
  /** Bytes as they come. Ends when the other side is gone, for whatever reason. */
  readonly input: AsyncIterable<Uint8Array>;
  /** Hands bytes to the system. @throws when the other side is gone */
  write(bytes: Uint8Array): Promise<void>;
  /** Idempotent. */
  close(): void;
}

/** Makes and answers connections. */
export interface LocalSockets {
  /** @throws when nobody listens there */
  connect(path: string): Promise<LocalSocket>;
  /**
   * Listens, with a socket that only this user can use. A socket that a dead process left is replaced.
   *
   * @throws when another process listens there, or the place can not be written
   */
  listen(
    path: string,
    onConnection: (socket: LocalSocket) => void,
  ): Promise<{ /** Ends every connection. */ close(): Promise<void> }>;
}
