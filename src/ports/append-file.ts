/** A file that only grows. */
export interface AppendFile {
  /** The file's last bytes when it was opened, at most 64 KiB: what a writer needs in order to go on. */
  readonly tail: Uint8Array;
  /**
   * Appends bytes; calls must not overlap. The system has them when it resolves, the disk has them after {@link sync}.
   *
   * @throws when it failed; part of the bytes may be there then
   */
  append(bytes: Uint8Array): Promise<void>;
  /** @throws when the disk may not have them */
  sync(): Promise<void>;
  close(): Promise<void>;
}
