/**
 * What is counted beside the evidence, so that evidence which is missing is missed: the front door's admissions and the
 * broker's requests, each in a file of its own that nothing else writes.
 *
 * Duties of an implementation: a promise resolves only after the system has the bytes, so that no death of this process
 * loses them; what a loss of power may take is bounded and said.
 */
export interface Observer {
  /**
   * A run was let in at the front door, or turned away by policy. Called before anything of it is recorded elsewhere.
   *
   * @throws {GatewayError} `evidence-unavailable`: then nothing may run
   */
  admitted(observed: {
    readonly run: string;
    readonly tenant: string;
    readonly effect: "allow" | "deny";
  }): Promise<void>;
  /**
   * An admitted run was refused before it could begin, so that no evidence of it is owed.
   *
   * @param reason a refusal code
   */
  excluded(run: string, reason: string): Promise<void>;
  /**
   * A request or connection of a run is about to leave.
   *
   * @param target as the run's event says it: no query, no secret
   * @throws {GatewayError} `evidence-unavailable`: then it may not leave
   */
  leaving(run: string, target: string): Promise<void>;
}
