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
