/**
 * Kills an executor with all that stands beside it in its process group. Killing its program alone is not enough: a
 * bubblewrap that dies between making its child and letting it go leaves that child waiting for ever.
 *
 * @param pid of the group's first process, not yet waited for
 * @param kill the runtime's own; throws when there is no such group
 */
export function killGroup(pid: number, kill: (pid: number, signal: "SIGKILL") => unknown): void {
  if (pid <= 1) return;
  try {
    kill(-pid, "SIGKILL");
  } catch {
    // Already gone, which is what was wanted.
  }
}
