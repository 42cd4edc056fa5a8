/** What the operator asked for and can not have as it was asked: the command line's own refusal. */
export class UsageError extends Error {
  override readonly name = "UsageError";
  /** More lines for the operator, such as the choices there are. */
  readonly lines: readonly string[];

  /**
   * @param message action, value, current and wanted state
   * @param lines what else helps; default none
   */
  constructor(message: string, lines: readonly string[] = []) {
    super(message);
    this.lines = lines;
  }
}
