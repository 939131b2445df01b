import { chmodSync, readdirSync, statSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { runCheck } from '../../../src/cli/check.ts';
import { createTempFolder } from '../../support/temp-folder.ts';
import type { TempFolder } from '../../support/temp-folder.ts';

/** Runs `check` on the folder's `config.yaml`, with shipped lists of its own. */
async function check(folder: TempFolder, options: { json?: boolean; fix?: boolean } = {}) {
  let output = '';
  const code = await runCheck({
    config: join(folder.path, 'config.yaml'),
    json: false,
    fix: false,
    out: (text) => void (output += text),
    machine: { listFolder: join(folder.path, 'allowlist'), cloud: 'public', networks: () => [] },
    ...options,
  });
  return { code, output, lines: output.trimEnd().split('\n') };
}

function folderWith(files: Readonly<Record<string, string>>): TempFolder {
  const folder = createTempFolder();
  const config = 'networks: [10.0.0.0/8]\nallowlist: [own.txt]\n';
  for (const [name, text] of Object.entries({ 'config.yaml': config, ...files })) folder.write(name, text);
  return folder;
}

describe('check', () => {
  it('is content with a configuration without fault', async () => {
    using folder = folderWith({ 'own.txt': 'a.example\n' });
    const { code, lines } = await check(folder);
    expect(code).toBe(0);
    expect(lines).toEqual([
      'No rule lets data out to any tenant.',
      expect.stringMatching(/^0 faults, 0 warnings, 0 notes; 1 rule in 1 list; configuration [0-9a-f]{12}$/),
    ]);
  });

  it('prints every finding as file:line:column: message, and fails on a fault', async () => {
    using folder = folderWith({ 'own.txt': 'https://a.example/x\n*.windows.net\nB.example\n' });
    const { code, lines } = await check(folder);
    const list = join(folder.path, 'own.txt');
    expect(code).toBe(1);
    expect(lines.slice(0, 3)).toEqual([
      `${list}:1:18: a path is inside the tunnel and cannot be judged; write \`https://a.example\``,
      expect.stringMatching(/:2:1: warning: unrelated services share/),
      `${list}:3:1: note: read as \`b.example\` (lower case)`,
    ]);
    expect(lines.at(-1)).toBe('1 fault, 1 warning, 1 note; 2 rules in 1 list');
  });

  it('passes with warnings alone, and names in one line what is open to any tenant', async () => {
    using folder = folderWith({ 'own.txt': '*.blob.core.windows.net\na.example\n.queue.core.windows.net\n' });
    const { code, lines } = await check(folder);
    const list = join(folder.path, 'own.txt');
    expect(code).toBe(0);
    expect(lines[0]).toBe(
      `These let data out to any tenant, not to yours alone: *.blob.core.windows.net (${list}:1), .queue.core.windows.net (${list}:3)`,
    );
  });

  it('fails where a list is a folder', async () => {
    using folder = folderWith({ 'own.txt/inside.txt': 'a.example\n' });
    const { code, lines } = await check(folder);
    expect(code).toBe(1);
    expect(lines[0]).toMatch(/config\.yaml:2:13: cannot read the list `own\.txt`: it is a folder/);
  });

  it('gives findings to programs as JSON', async () => {
    using folder = folderWith({ 'own.txt': '*.net\n*.blob.core.windows.net\n' });
    const { code, output } = await check(folder, { json: true });
    const file = join(folder.path, 'own.txt');
    expect(code).toBe(1);
    expect(JSON.parse(output)).toMatchObject({
      ok: false,
      findings: [{ file, line: 1, column: 3, severity: 'fault', message: expect.stringContaining('`net`') }],
      openToAnyTenant: [{ file, line: 2, text: '*.blob.core.windows.net' }],
    });
  });

  it('sends nothing of a file to the terminal as a command', async () => {
    using folder = folderWith({ 'own.txt': 'a.example \u009b31m\u202e\n' });
    const { output } = await check(folder);
    expect(output).toContain('\\u009b31m\\u202e');
    expect(output).not.toMatch(/[\u009b\u202e]/);
  });
});

describe('check --fix', () => {
  it('rewrites rules to normal form, and says so', async () => {
    using folder = folderWith({ 'own.txt': '\uFEFF# why\r\nHTTPS://A.example./\r\n' });
    const { code, lines } = await check(folder, { fix: true });
    expect(code).toBe(0);
    expect(folder.read('own.txt')).toBe('# why\nhttps://a.example\n');
    expect(lines[0]).toBe(`rewritten to normal form: ${join(folder.path, 'own.txt')}`);
    expect(readdirSync(folder.path).sort()).toEqual(['config.yaml', 'own.txt']);
  });

  it('without it nothing is written', async () => {
    using folder = folderWith({ 'own.txt': 'A.example\n' });
    await check(folder);
    expect(folder.read('own.txt')).toBe('A.example\n');
  });

  it('keeps the mode of the file, and a link to it', async () => {
    using folder = folderWith({ 'real/own.txt': 'A.example\n' });
    const real = join(folder.path, 'real/own.txt');
    chmodSync(real, 0o660);
    symlinkSync(real, join(folder.path, 'own.txt'));
    expect((await check(folder, { fix: true })).code).toBe(0);
    expect(folder.read('real/own.txt')).toBe('a.example\n');
    expect(statSync(real).mode & 0o777).toBe(0o660);
  });

  it('leaves lines at fault as they are, and fails', async () => {
    using folder = folderWith({ 'own.txt': 'A.example\n*.net\n' });
    expect((await check(folder, { fix: true })).code).toBe(1);
    expect(folder.read('own.txt')).toBe('a.example\n*.net\n');
  });

  it('leaves a file alone that may be half written', async () => {
    using folder = folderWith({ 'own.txt': 'A.example\nb.exam' });
    expect((await check(folder, { fix: true })).code).toBe(1);
    expect(folder.read('own.txt')).toBe('A.example\nb.exam');
  });

  it('never rewrites a shipped list', async () => {
    using folder = folderWith({
      'config.yaml': 'networks: [10.0.0.0/8]\nallowlist: [ubuntu]\n',
      'allowlist/public/ubuntu.txt': 'A.example\n',
    });
    const { code, output } = await check(folder, { fix: true });
    expect(code).toBe(0);
    expect(folder.read('allowlist/public/ubuntu.txt')).toBe('A.example\n');
    expect(output).not.toContain('rewritten');
  });
});
