/**
 * Reading a request's body: how much, how long, of which kind. Size is checked before a byte is parsed, and while
 * reading, since a chunked body declares nothing and a header may lie.
 */
import { GatewayError } from "../core/errors.ts";
import type { App } from "./context.ts";
import { PlainError } from "./problem.ts";

/** `application/json`, and no parameter but a charset that says what JSON is anyway (RFC 8259 section 8.1). */
const JSON_TYPE = /^application\/json[ \t]*(;[ \t]*charset="?utf-8"?[ \t]*)?$/i;

/**
 * Reads the whole body of a JSON request.
 *
 * @param request not yet read
 * @returns at most `app.maxBodyBytes` bytes
 * @throws {PlainError} 415 for another content type or any content coding; 408 when it takes too long; 400 when it ends early
 * @throws {GatewayError} `input-too-large`
 */
export async function readJsonBytes(request: Request, app: App): Promise<Uint8Array> {
  if (!JSON_TYPE.test(request.headers.get("content-type") ?? "")) {
    throw new PlainError(415, "The content type has to be application/json", { accept: "application/json" });
  }
  // A small compressed body may unfold into a large one; nobody needs that here.
  if (request.headers.has("content-encoding")) {
    throw new PlainError(415, "The body has to come without a content coding", {
      "accept-encoding": "identity",
    });
  }
  const declared = request.headers.get("content-length");
  if (declared !== null && Number(declared) > app.maxBodyBytes) throw tooLarge(app);

  const late = Promise.withResolvers<never>();
  const cancel = app.clock.after(app.bodyTimeoutMs, () =>
    late.reject(new PlainError(408, "The body took too long to arrive", { connection: "close" })),
  );
  try {
    // A declared length binds the server too: it hands over that many bytes and no more, so they can be taken at once.
    return await (declared === null
      ? collect(request, app, late.promise)
      : takeWhole(request, app, late.promise));
  } catch (error) {
    if (error instanceof PlainError || error instanceof GatewayError) throw error;
    throw new PlainError(400, "The body ended before it was complete", { connection: "close" });
  } finally {
    cancel();
  }
}

async function takeWhole(request: Request, app: App, late: Promise<never>): Promise<Uint8Array> {
  const bytes = new Uint8Array(await Promise.race([request.arrayBuffer(), late]));
  if (bytes.byteLength > app.maxBodyBytes) throw tooLarge(app);
  return bytes;
}

async function collect(request: Request, app: App, late: Promise<never>): Promise<Uint8Array> {
  const reader = request.body?.getReader();
  if (reader === undefined) return new Uint8Array();
  const chunks: Uint8Array[] = [];
  let length = 0;
  try {
    for (;;) {
      const { done, value } = await Promise.race([reader.read(), late]);
      if (done) return concat(chunks, length);
      length += value.byteLength;
      if (length > app.maxBodyBytes) throw tooLarge(app);
      chunks.push(value);
    }
  } catch (error) {
    // Whatever else was sent is not wanted. The promise is not awaited: a stalled sender must not hold us.
    reader.cancel().catch(() => undefined);
    throw error;
  }
}

function concat(chunks: readonly Uint8Array[], length: number): Uint8Array {
  const whole = new Uint8Array(length);
  let offset = 0;
  for (const chunk of chunks) {
    whole.set(chunk, offset);
    offset += chunk.byteLength;
  }
  return whole;
}

function tooLarge(app: App): GatewayError {
  return new GatewayError(`Cannot read the request body: it is larger than ${app.maxBodyBytes} bytes`, {
    code: "input-too-large",
    limitBytes: app.maxBodyBytes,
  });
}
