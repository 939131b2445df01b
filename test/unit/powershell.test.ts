/** The reader of PowerShell that other tests rest on: it sees what is wrong, and what is called. */
import { expect, test } from 'vitest';
import { unknownCommands } from '../support/powershell-commands.ts';
import { readPowerShell } from '../support/powershell.ts';

test.each([
  ['an open brace', 'if ($x) { Get-Item a\n'],
  ['an open parenthesis', 'if ($x { Get-Item a }\n'],
  ['an open text', 'Write-Output "a\n'],
  ['a lone else', 'else { Get-Item a }}\n'],
])('%s is a fault', async (_name, text) => {
  expect((await readPowerShell(text)).faults).not.toEqual([]);
});

test('commands are read with their words, functions by their names, and unknown ones are told', async () => {
  const script = await readPowerShell(
    '# Get-Nothing\nfunction Set-It([string] $A) { & netsh.exe show }\nSet-It -A "x y"\n$y = Get-Thing | Sort-Object\n',
  );
  expect(script.faults).toEqual([]);
  expect(script.functions).toEqual(['Set-It']);
  expect(script.commands).toContainEqual({ name: 'Set-It', words: ['-A', '"x y"'], line: 3 });
  expect(unknownCommands(script, [])).toEqual(['2: netsh.exe', '4: Get-Thing']);
  expect(unknownCommands(script, ['NETSH.EXE', 'get-thing'])).toEqual([]);
});
