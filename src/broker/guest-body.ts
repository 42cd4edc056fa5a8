/** A response's body as its guest sees it: searched where that is asked for, and without fields that it may not see. */
import type { EgressResponse, Header } from "./egress/index.ts";
import type { VisibleBody } from "./http-bodies.ts";
import type { Upload } from "./http-uploads.ts";

/** A class, because objects written down with getters outlive their request. */
export class GuestBody implements VisibleBody {
  readonly #response: EgressResponse;
  readonly #from: Pick<EgressResponse, "read" | "giveBack" | "ended">;
  readonly #visible: (fields: readonly Header[]) => readonly Header[];
  readonly #upload: Upload | undefined;

  /**
   * @param from where its bytes come from: the response, or what searches it
   * @param visible what the guest sees of fields
   * @param upload the request's body, if that is still on its way
   */
  constructor(
    response: EgressResponse,
    from: Pick<EgressResponse, "read" | "giveBack" | "ended">,
    visible: (fields: readonly Header[]) => readonly Header[],
    upload: Upload | undefined,
  ) {
    this.#response = response;
    this.#from = from;
    this.#visible = visible;
    this.#upload = upload;
  }

  read(maxBytes: number): Promise<readonly Uint8Array[] | undefined> {
    return this.#from.read(maxBytes);
  }

  giveBack(pieces: readonly Uint8Array[]): void {
    this.#from.giveBack(pieces);
  }

  get ended(): boolean {
    return this.#from.ended;
  }

  trailers(): readonly Header[] {
    return this.#visible(this.#response.trailers());
  }

  close(): void {
    this.#response.close();
    this.#upload?.fail();
  }
}
