/**
 * The broker room: serves the imports of guests, under their grants and their lease.
 *
 * ```
 * broker.ts        opens a run, serves its calls
 * book.ts          what a run has spent and done
 * calls.ts         the table of capabilities; one file each: http-client, sockets, log, stdio, secrets, tools, refused
 * profiles.ts      the operator's secrets, and who may receive them
 * egress/          the only code that opens an outgoing connection
 * ```
 */

export type { CallLimits } from "./book.ts";
export { type Broker, type BrokerOptions, createBroker } from "./broker.ts";
export { permitRequest } from "./egress/index.ts";
export { keepFresh } from "./fresh-profiles.ts";
export { importCalled } from "./import-called.ts";
export { loadMounts, type Mount } from "./mounts.ts";
export type { OpenRun, ToolCall, ToolCallEnd, ToolRefusal } from "./open-run.ts";
export { createOutgoing } from "./outgoing.ts";
export { credentialsFor } from "./own-request.ts";
export { PROFILES_FILE, ProfileError } from "./profile-error.ts";
export { loadProfiles, parseProfiles } from "./profile-file.ts";
export { profilesState, rotations } from "./profile-state.ts";
export { Secret, type SecretProfile } from "./profiles.ts";
export { resolveProfiles } from "./resolve-profiles.ts";
export { type SocketPermit, SocketPermits } from "./socket-permits.ts";
