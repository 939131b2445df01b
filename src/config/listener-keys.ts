/** What the TLS listeners show and whom they trust: certificate, key and client authorities, read and checked. */
import { X509Certificate, createPrivateKey } from 'node:crypto';
import type { Result, Severity } from '../errors.ts';
import type { Config, Listener } from './config.ts';
import type { SecretFileOptions } from './credentials-file.ts';
import { modeOpenToOthers } from './credentials-file.ts';
import { readText } from './lists.ts';

/** The contents of a listener's files, PEM. */
export interface ListenerKeys {
  readonly cert: string;
  readonly key: string;
  /** The authorities whose client certificates name a user; null: none is asked for. */
  readonly clientCa: string | null;
}

export interface ListenerKeyOptions extends SecretFileOptions {
  /** The time in milliseconds since 1970; without it no validity is checked. */
  readonly now?: () => number;
}

type Report = (severity: Severity, path: readonly (string | number)[], message: string) => void;

const dayMs = 24 * 60 * 60 * 1000;
/** A certificate that ends sooner is worth a warning: somebody has to renew it by hand. */
const soonDays = 14;
/** Shorter RSA keys the platform's TLS refuses to show. */
const minRsaBits = 2048;

/** One entry a listener, null where it speaks no TLS or its files are at fault; `report` tells what is wrong. */
export function readListenerKeys(
  listeners: Config['listen'],
  options: ListenerKeyOptions,
  report: Report,
): readonly (ListenerKeys | null)[] {
  return listeners.map(({ tls }, index) =>
    tls === null
      ? null
      : readKeys(tls, options, (severity, key, message) => report(severity, ['listen', index, 'tls', key], message)),
  );
}

function readKeys(
  { cert, key, clientCa }: NonNullable<Listener['tls']>,
  options: ListenerKeyOptions,
  report: (severity: Severity, key: string, message: string) => void,
): ListenerKeys | null {
  const read = <T>(name: string, path: string, parse: (text: string) => T) => {
    const found = readPem(path, options.readFile, parse);
    if (!found.ok) report('fault', name, `\`${name}\`: ${found.message}`);
    return found.ok ? found.value : null;
  };
  const certificate = read('cert', cert, (text) => ({ text, first: new X509Certificate(text) }));
  const privateKey = read('key', key, (text) => ({ text, key: createPrivateKey(text) }));
  const authorities = clientCa === null ? null : read('clientCa', clientCa, readAuthorities);
  const mode = modeOpenToOthers(key, options);
  if (mode !== null) {
    report('warning', 'key', `everybody on this machine can read the key (mode ${mode}); run \`chmod 600 ${key}\``);
  }
  const noAuthority = authorities?.certificates.find((authority) => !authority.ca);
  if (noAuthority) {
    report(
      'warning',
      'clientCa',
      `${clientCa}: ${subjectOf(noAuthority)} is no authority: no client certificate is under it`,
    );
  }
  if (!certificate || !privateKey || (clientCa !== null && !authorities)) return null;
  const bits = certificate.first.publicKey.asymmetricKeyDetails?.modulusLength ?? minRsaBits;
  if (bits < minRsaBits) {
    report('fault', 'cert', `${cert}: an RSA key of ${bits} bits is too short; make one of ${minRsaBits} or more`);
    return null;
  }
  if (!certificate.first.checkPrivateKey(privateKey.key)) {
    report('fault', 'key', `the key in ${key} does not belong to the certificate in ${cert}`);
    return null;
  }
  const all = [
    { name: 'cert', path: cert, certificate: certificate.first },
    ...(authorities?.certificates ?? []).map((authority) => ({
      name: 'clientCa',
      path: clientCa,
      certificate: authority,
    })),
  ];
  for (const { name, path, certificate: checked } of all) {
    const remark = options.now ? remarkOnValidity(checked, options.now()) : null;
    if (remark) report('warning', name, `${path}: ${subjectOf(checked)} ${remark}`);
  }
  return { cert: certificate.text, key: privateKey.text, clientCa: authorities?.text ?? null };
}

function readPem<T>(path: string, readFile: (path: string) => string, parse: (text: string) => T): Result<T> {
  const text = readText(path, readFile);
  if (!text.ok) return { ok: false, message: `cannot be read: ${text.message}` };
  try {
    return { ok: true, value: parse(text.value) };
  } catch {
    // What the library says names its own source files; what can be wrong is one of these.
    if (/ENCRYPTED/.test(text.value)) {
      return {
        ok: false,
        message: `${path} needs a passphrase; take it off with \`openssl pkey -in ${path} -out FILE\``,
      };
    }
    return { ok: false, message: `${path} does not hold what it should, in PEM (-----BEGIN ...)` };
  }
}

function readAuthorities(text: string): { readonly text: string; readonly certificates: readonly X509Certificate[] } {
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? [];
  if (blocks.length === 0) throw new Error('no certificate');
  return { text, certificates: blocks.map((block) => new X509Certificate(block)) };
}

function subjectOf({ subject, serialNumber }: X509Certificate): string {
  return subject?.replace(/\s*\n\s*/g, ', ') || `certificate ${serialNumber}`;
}

function remarkOnValidity({ validFromDate, validToDate }: X509Certificate, now: number): string | null {
  const day = (date: Date) => date.toISOString().slice(0, 10);
  if (now < validFromDate.getTime()) return `is not valid before ${day(validFromDate)}`;
  const left = validToDate.getTime() - now;
  if (left <= 0) return `has expired on ${day(validToDate)}; clients refuse it`;
  if (left > soonDays * dayMs) return null;
  return `expires on ${day(validToDate)}; renew it`;
}
