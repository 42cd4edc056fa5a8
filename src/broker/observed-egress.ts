/** Egress that says what is about to leave before it leaves; what can not be said does not leave. */
import type { Egress } from "./egress/index.ts";

/**
 * @param observe resolves when it is written down
 * @returns the same egress, for one run
 */
export function observeEgress(egress: Egress, observe: (target: string) => Promise<void>): Egress {
  return {
    async send(request) {
      await observe(request.permit.label);
      return await egress.send(request);
    },
    async resolve(request) {
      await observe(request.host);
      return await egress.resolve(request);
    },
    async connect(request) {
      await observe(request.label ?? `${request.host}:${request.port}`);
      return await egress.connect(request);
    },
  };
}
