/** Certificates made for one test run: an authority and leaves under it, valid for minutes on either side of now. */
import { generate } from 'selfsigned';

/** A key and certificate in PEM. */
export interface Certificate {
  readonly key: string;
  readonly cert: string;
}

const lifetimeMs = 60 * 60 * 1000;

function validity(): { notBeforeDate: Date; notAfterDate: Date } {
  return { notBeforeDate: new Date(Date.now() - lifetimeMs), notAfterDate: new Date(Date.now() + lifetimeMs) };
}

/** Makes a certificate authority; give its `cert` to clients as the one they trust. */
export async function createAuthority(): Promise<Certificate> {
  const made = await generate([{ name: 'commonName', value: 'Test authority' }], {
    ...validity(),
    keyType: 'ec',
    algorithm: 'sha256',
    extensions: [
      { name: 'basicConstraints', cA: true, critical: true },
      { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
    ],
  });
  return { key: made.private, cert: made.cert };
}

/** Whom a client certificate names, and what may be wrong with it. */
export interface ClientNames {
  readonly commonName: string;
  readonly email?: string;
  readonly uri?: string;
  readonly dns?: string;
  /** Milliseconds from now at which it ends; an hour unless given. */
  readonly endsInMs?: number;
  /** For a server alone. */
  readonly forServers?: boolean;
}

/** Makes a client certificate under `authority`. */
export async function createClientCertificate(authority: Certificate, names: ClientNames): Promise<Certificate> {
  const { commonName, email, uri, dns, endsInMs = lifetimeMs, forServers = false } = names;
  const altNames = [
    ...(dns === undefined ? [] : [{ type: 2 as const, value: dns }]),
    ...(uri === undefined ? [] : [{ type: 6 as const, value: uri }]),
    ...(email === undefined ? [] : [{ type: 1 as const, value: email }]),
  ];
  const made = await generate([{ name: 'commonName', value: commonName }], {
    ...validity(),
    notAfterDate: new Date(Date.now() + endsInMs),
    keyType: 'ec',
    algorithm: 'sha256',
    ca: authority,
    extensions: [
      { name: 'basicConstraints', cA: false, critical: true },
      { name: 'keyUsage', digitalSignature: true, critical: true },
      { name: 'extKeyUsage', ...(forServers ? { serverAuth: true } : { clientAuth: true }) },
      ...(altNames.length > 0 ? [{ name: 'subjectAltName' as const, altNames }] : []),
    ],
  });
  return { key: made.private, cert: made.cert };
}

/** Makes a server certificate under `authority` for host names (wildcards allowed) and IP addresses. */
export async function createCertificate(authority: Certificate, names: readonly string[]): Promise<Certificate> {
  const made = await generate([{ name: 'commonName', value: names[0] ?? 'localhost' }], {
    ...validity(),
    keyType: 'ec',
    algorithm: 'sha256',
    ca: authority,
    extensions: [
      { name: 'basicConstraints', cA: false, critical: true },
      { name: 'keyUsage', digitalSignature: true, critical: true },
      { name: 'extKeyUsage', serverAuth: true },
      {
        name: 'subjectAltName',
        altNames: names.map((name) => (/^[\d.]+$|:/.test(name) ? { type: 7, ip: name } : { type: 2, value: name })),
      },
    ],
  });
  return { key: made.private, cert: made.cert };
}

/** Makes a certificate under its own key, an RSA key of so many bits. */
export async function createSelfSigned(name: string, rsaBits: number): Promise<Certificate> {
  const made = await generate([{ name: 'commonName', value: name }], {
    ...validity(),
    keyType: 'rsa',
    keySize: rsaBits,
    algorithm: 'sha256',
  });
  return { key: made.private, cert: made.cert };
}
