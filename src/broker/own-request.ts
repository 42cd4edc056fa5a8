/** The secret of a profile in a header: of a guest's request, and of one that the gateway makes by its operator's word. */
import { type Header, type Injection, parseTarget } from "./egress/index.ts";
import type { SecretProfile } from "./profiles.ts";

/** The header that carries the secret. For profiles that have one. */
export function injectionOf({ header, template, secret, basicUser }: SecretProfile): Injection {
  const text = secret.reveal();
  const value = basicUser === undefined ? text : btoa(`${basicUser}:${text}`);
  return { header, value: template.replaceAll("{secret}", () => value) };
}

/**
 * The header that goes along with a request of the gateway's own.
 *
 * @param url where to; the secret goes to its audience and nowhere else, whoever asks
 * @throws {Error} when that is none of the audience, or the profile has its secret elsewhere than in a header
 */
export function headerFor(profile: SecretProfile, url: string): Header {
  const { name, audience, header, query, tls } = profile;
  const { protocol, host, pathname } = new URL(url);
  const scheme = protocol === "https:" ? "https" : "http";
  const parsed = parseTarget({ method: "POST", scheme, authority: host, pathWithQuery: pathname });
  const isFor =
    parsed.ok &&
    audience.some(
      (origin) =>
        origin.scheme === scheme && origin.host === parsed.target.host && origin.port === parsed.target.port,
    );
  if (!isFor) throw new Error(`Cannot use secret profile "${name}" for ${url}: it is not in its audience`);
  if (header === "" || query !== undefined || tls?.client !== undefined)
    throw new Error(`Cannot use secret profile "${name}" for ${url}: its secret has to go in a header`);
  const injection = injectionOf(profile);
  return [injection.header, injection.value];
}
