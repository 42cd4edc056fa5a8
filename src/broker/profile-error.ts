/** What is wrong with the operator's secret profiles. */

/** Where profiles are kept when the operator says nothing else. */
export const PROFILES_FILE = ".writ/profiles.yaml";

/** One thing that is wrong in a profiles file. `line` starts at 1. */
export interface ProfileFault {
  readonly line: number;
  readonly detail: string;
}

/** A profiles file that can not be used; `faults` holds every reason that was found. */
export class ProfileError extends Error {
  override readonly name = "ProfileError";
  readonly faults: readonly ProfileFault[];

  /** @param source the file's name */
  constructor(source: string, faults: readonly ProfileFault[]) {
    super(
      `Cannot read secret profiles: ${faults.map(({ line, detail }) => `${source}:${line}: ${detail}`).join("; ")}`,
    );
    this.faults = faults;
  }
}
