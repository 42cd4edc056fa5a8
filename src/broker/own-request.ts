/** A profile for whom it is: its secret in a header of a guest's request, and of one that the gateway makes by its operator's word. */
import type { OutgoingCredentials } from "../ports/index.ts";
import { type Injection, parseTarget } from "./egress/index.ts";
import type { ProfileTls, SecretProfile } from "./profiles.ts";

/** The header that carries the secret. For profiles that have one. */
export function injectionOf({ header, template, secret, basicUser }: SecretProfile): Injection {
  const text = secret.reveal();
  const value = basicUser === undefined ? text : btoa(`${basicUser}:${text}`);
  return { header, value: template.replaceAll("{secret}", () => value) };
}

/**
 * What goes along with a request of the gateway's own: the secret in its header, the certificate that is shown, and who
 * may vouch for the far end.
 *
 * @param url where to; nothing of a profile goes anywhere but to its audience, whoever asks
 * @throws {Error} when that is none of the audience, or the profile has neither a header for its secret nor a certificate
 */
export function credentialsFor(profile: SecretProfile, url: string): OutgoingCredentials {
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
  const isInHeader = header !== "" && query === undefined;
  if (query !== undefined || !(isInHeader || tls?.client !== undefined))
    throw new Error(
      `Cannot use secret profile "${name}" for ${url}: its secret has to go in a header, or it has to have a certificate`,
    );
  const injection = injectionOf(profile);
  return {
    ...(isInHeader ? { headers: [[injection.header, injection.value]] } : {}),
    ...(scheme === "http" || tls === undefined ? {} : tlsFor(tls)),
  };
}

function tlsFor({ extraAuthorities, client }: ProfileTls): OutgoingCredentials {
  return {
    ...(extraAuthorities === undefined ? {} : { authorities: extraAuthorities }),
    ...(client === undefined
      ? {}
      : { client: { certificate: client.certificate, key: client.key.reveal() } }),
  };
}
