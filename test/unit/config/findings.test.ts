import { describe, expect, it } from 'vitest';
import { loadConfig } from '../../../src/config/load.ts';
import { ConfigError, formatFault } from '../../../src/errors.ts';

/** Every finding about a configuration whose one list is in order. */
function findings(text: string): readonly string[] {
  try {
    const loaded = loadConfig({
      file: 'c.yaml',
      readFile: (path) => (path === 'c.yaml' ? text : 'a.example\n'),
      listFolder: '/lists',
      cloud: 'public',
      networks: () => [],
    });
    return loaded.findings.map(formatFault);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.faults.map(formatFault);
  }
}

/** The findings, but for the note that every configuration without `networks` brings. */
function faults(text: string): readonly string[] {
  return findings(text).filter((finding) => !finding.includes(': note: `private`'));
}

describe('what YAML itself does not allow is a fault in its place', () => {
  it.each([
    ['mode: enforce\nmode: report\n', 'c.yaml:2:1: Map keys must be unique'],
    ['mode: enforce\n---\nmode: report\n', 'c.yaml:2:1: '],
    ['limits:\n\tidleMs: 3\n', 'c.yaml:2:1: '],
    ['listen: [a\n', 'c.yaml:2:1: '],
    ['- a\n', 'c.yaml:1:1: a configuration is a block of keys'],
    ['text\n', 'c.yaml:1:1: a configuration is a block of keys'],
    ['mode: *none\n', 'c.yaml:1:1: Unresolved alias'],
  ])('%j', (text, message) => {
    expect(faults(text).filter((finding) => !finding.includes(': warning: '))).toContainEqual(
      expect.stringContaining(message),
    );
  });
});

describe('an unknown key names the nearest known one', () => {
  it.each([
    ['modus: report\n', 'c.yaml:1:1: unknown key `modus`; did you mean `mode`?'],
    ['mode: enforce\nnetwork: [auto]\n', 'c.yaml:2:1: unknown key `network`; did you mean `networks`?'],
    ['limits:\n  idleMS: 3\n', 'c.yaml:2:3: unknown key `limits.idleMS`; did you mean `idleMs`?'],
    ['idleMs: 3\n', 'c.yaml:1:1: unknown key `idleMs`; did you mean `limits.idleMs`?'],
    ['health: {port: 1}\n', 'c.yaml:1:10: unknown key `health.port`; known here: listen'],
    ['listen: [{adress: "1.2.3.4:5", address: "1.2.3.4:5"}]\n', 'did you mean `address`?'],
    ['listen: [{address: "1.2.3.4:5", tls: {cert: a, kye: b, key: b}}]\n', 'did you mean `key`?'],
  ])('%j', (text, message) => {
    expect(faults(text)).toEqual([expect.stringContaining(message)]);
  });
});

describe('a value that does not fit is a fault in its place, with the right form', () => {
  it.each([
    ['mode: repport\n', '1:7: `mode` must be `enforce` or `report`, not "repport"; did you mean `report`?'],
    ['limits:\n  idleMs: soon\n', '2:11: `limits.idleMs` must be a number, not "soon"'],
    ['limits: {idleMs: 1.5}\n', '1:18: `limits.idleMs` must be a whole number, not 1.5'],
    ['limits: {idleMs: 0}\n', '1:18: `limits.idleMs` must be 1 or more, not 0'],
    ['limits: {idleMs: 3000000000}\n', '1:18: `limits.idleMs` must be 2147483647 or less'],
    ['limits: {headerBytes: 5}\n', '1:23: `limits.headerBytes` must be 1024 or more'],
    ['limits:\n  idleMs:\n', '2:3: `limits.idleMs` has no value'],
    ['limits: 5\n', '1:9: `limits` must be a block of keys, not 5'],
    ['networks:\n', '1:1: `networks` has no value'],
    ['allowlist:\n  # - certificates\n', '1:1: `allowlist` has no value'],
    ['networks: private\n', '1:11: `networks` must be a list, not "private"; write ["private"]'],
    ['networks: [privat]\n', '1:12: `networks.0`: unknown network `privat`; did you mean `private`?'],
    ['networks: [10.1.2.3/8]\n', '1:12: `networks.0`: Host bits are set, write 10.0.0.0/8'],
    ['groups: {g: [10.0.0.0/8, x]}\n', '1:26: `groups.g.1`: Not an IP prefix'],
    ['groups: {"a b": [10.0.0.0/8]}\n', 'a name has letters, digits, dots, hyphens'],
    ['listen: []\n', '1:9: `listen` is empty'],
    ['listen: [3128]\n', '1:10: `listen.0.address` must be text, not 3128'],
    ['listen: ["3128"]\n', 'write "0.0.0.0:3128"'],
    ['listen: [":8080"]\n', 'write "0.0.0.0:8080"'],
    ['listen: ["localhost:8080"]\n', 'write "127.0.0.1:8080"'],
    ['listen: ["10.0.0.4"]\n', 'write "10.0.0.4:3128"'],
    ['listen: ["::1"]\n', 'write "[::1]:3128"'],
    ['listen: ["10.0.0.4:65536"]\n', 'write "10.0.0.4:3128"'],
    [
      'ranges: {source: feed}\n',
      '1:18: `ranges.source`: `feed` is neither `auto`, `discovery` nor a URL; write a file',
    ],
    ['ranges: {source: "http://feed.example/f"}\n', '1:18: `ranges.source`: plain http can be changed on its way'],
    ['ranges: {source: "ftp://feed.example/f"}\n', '1:18: `ranges.source`: `ftp` URLs cannot be fetched'],
    ['ranges: {source: "https://u:p@feed.example/f"}\n', '1:18: `ranges.source`: a URL with user or password in it'],
    ['ranges: {refreshHours: 0}\n', '1:24: `ranges.refreshHours` must be 1 or more, not 0'],
    ['workers: many\n', '1:10: `workers` must be `auto` or a whole number, not "many"'],
    ['log: {format: xml}\n', '1:15: `log.format` must be `json` or `squid`'],
    ['tlsServerName: false\n', '1:16: `tlsServerName` must be `require` or `report` or `off`, not false'],
  ])('%j', (text, message) => {
    expect(faults(text)).toEqual([expect.stringContaining(message)]);
  });

  it('all of them are told at once', () => {
    expect(faults('mode: x\nmodus: y\nlimits: {idleMs: 0, dnsMs: a}\n').map((text) => text.split(': ')[0])).toEqual([
      'c.yaml:1:7',
      'c.yaml:2:1',
      'c.yaml:3:18',
      'c.yaml:3:28',
    ]);
  });
});

it('the defaults may be written out', () => {
  const text =
    'listen: [{address: "0.0.0.0:3128", tls: null}]\nadmin: {listen: "127.0.0.1:3129"}\nhealth: {listen: null}\n' +
    'auth: {requiredFrom: [], usersFile: null}\nreload: {watch: true}\nworkers: 1\ndrain: {graceMs: 0}\n';
  expect(faults(text)).toEqual([]);
});

describe('two listeners on one port are a fault', () => {
  it.each([
    ['"0.0.0.0:3128", "127.0.0.1:3128"', '1:26: 127.0.0.1:3128 and 0.0.0.0:3128 (`listen.0`) are on one port'],
    ['"10.0.0.4:3128", "10.0.0.4:3128"', 'are on one port'],
    ['"[::]:3128", "10.0.0.4:3128"', 'are on one port'],
    ['"0.0.0.0:3129"', '1:10: 0.0.0.0:3129 and 127.0.0.1:3129 (`admin.listen`) are on one port'],
  ])('%s', (entries, message) => {
    expect(faults(`listen: [${entries}]\n`)).toEqual([expect.stringContaining(message)]);
  });

  it.each(['"10.0.0.4:3128", "127.0.0.1:3128"', '"0.0.0.0:3128", "[::1]:3128"', '"127.0.0.1:0", "127.0.0.1:0"'])(
    '%s are not',
    (entries) => expect(faults(`listen: [${entries}]\n`)).toEqual([]),
  );
});

describe('what is wider than its writer may think is a warning', () => {
  it.each([
    ['networks: [0.0.0.0/0]\n', '1:12: warning: 0.0.0.0/0 admits everyone'],
    ['networks: [10.0.0.0/7]\n', '1:12: warning: 10.0.0.0/7 admits clients beyond private space'],
    ['networks: []\n', '1:11: warning: no network: no client is admitted'],
    ['privateDestinations: [127.0.0.1]\n', '1:23: warning: 127.0.0.1/32 opens loopback'],
    ['privateDestinations: ["::1"]\n', '1:23: warning: ::1/128 opens loopback'],
    ['privateDestinations: [10.0.0.0/8, 0.0.0.0/0]\n', '1:35: warning: 0.0.0.0/0 is wider than private space'],
    ['privateDestinations: [168.63.129.16]\n', '1:23: warning: 168.63.129.16/32 is always refused'],
    ['mode: report\n', '1:7: warning: `report` lets through what no rule allows'],
    ['tlsServerName: off\n', '1:16: warning: `off`: tunnels may carry what is not TLS'],
    ['ranges: {resolveNames: ["*"]}\n', '1:25: warning: `*` looks up every name'],
    ['allowlist: []\n', '1:12: warning: no list: every request is refused'],
    ['mode: enforce', '1:14: warning: no newline at the end'],
  ])('%j', (text, message) => {
    expect(faults(text)).toEqual([expect.stringContaining(message)]);
  });

  it.each(['networks: [10.1.0.0/16, fd00::/8]\n', 'privateDestinations: [10.1.0.0/16, 100.64.0.0/10]\n'])(
    '%j brings none',
    (text) => expect(faults(text)).toEqual([]),
  );

  it('a word alone in `networks` brings a note that names the line to write', () => {
    expect(findings('networks: [auto]\n')).toEqual([
      expect.stringMatching(
        /^c.yaml:1:11: note: `auto` admits the subnets of this machine .*networks: \[10\.1\.2\.0\/24\]/,
      ),
    ]);
    expect(findings('networks: [private, 20.1.2.0/24]\n')).not.toContainEqual(expect.stringContaining('note'));
  });
});
