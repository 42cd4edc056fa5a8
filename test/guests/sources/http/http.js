import { handle } from "wasi:http/outgoing-handler@0.2.12";
import { Fields, IncomingBody, OutgoingBody, OutgoingRequest, RequestOptions } from "wasi:http/types@0.2.12";

const bytes = (text) => new TextEncoder().encode(text);
const text = (value) => new TextDecoder().decode(value);

/** Sends a request as the plan says, and reads its answer with its trailers. */
function request(authority, path, plan, pieces) {
  const { post, bodyFirst, drop, betweenMs, repeat = 1, trailers, early, forget } = JSON.parse(plan);
  const head = new OutgoingRequest(new Fields());
  head.setMethod({ tag: post ? "post" : "get" });
  head.setScheme({ tag: "HTTP" });
  head.setAuthority(authority);
  head.setPathWithQuery(path);
  const options = new RequestOptions();
  if (betweenMs) options.setBetweenBytesTimeout(BigInt(betweenMs * 1e6));
  const body = post ? head.body() : undefined;
  const stream = body?.write();
  const write = () => {
    for (let n = 0; n < repeat; n += 1)
      for (const piece of pieces) stream.blockingWriteAndFlush(bytes(piece));
  };
  const finish = () => {
    stream[Symbol.dispose]?.();
    OutgoingBody.finish(body, trailers ? Fields.fromList([["x-sum", bytes("1")]]) : undefined);
  };
  if (post && bodyFirst) {
    write();
    finish();
  }
  const future = handle(head, options);
  if (forget) return "forgotten";
  if (post && !bodyFirst) {
    write();
    if (early) future.subscribe().block();
    else if (drop) {
      stream[Symbol.dispose]();
      body[Symbol.dispose]();
    } else finish();
  }
  future.subscribe().block();
  const outer = future.get();
  const response = unwrap(unwrap(outer));
  const incoming = response.consume();
  const reader = incoming.stream();
  let found = "";
  let length = 0;
  try {
    for (;;) {
      const chunk = reader.blockingRead(65536n);
      length += chunk.length;
      if (found.length < 200) found += text(chunk);
    }
  } catch (error) {
    const failure = error.payload ?? error;
    if (failure.tag !== "closed") throw `body ${failure.tag}`;
  }
  reader[Symbol.dispose]?.();
  const trailing = unwrap(unwrap(IncomingBody.finish(incoming).get()));
  const fields = trailing ? trailing.entries().map(([name, value]) => `${name}=${text(value)}`) : [];
  return `${response.status()} ${length} ${found.slice(0, 100)} ${fields.join(",")}`.trim();
}

/** The `ok` of a result inside a result, in whatever form the engine gives it. */
function unwrap(result) {
  if (result && typeof result === "object" && "tag" in result) {
    if (result.tag === "ok") return result.val;
    if (result.tag === "err") throw result.val;
  }
  return result;
}

export const http = {
  request(...args) {
    try {
      return request(...args);
    } catch (error) {
      const failure = error.payload ?? error;
      throw typeof failure === "string" ? failure : (failure.tag ?? String(failure));
    }
  },
};
