import { describe, expect, it } from 'vitest';
import { certificateUser } from '../../../src/message/certificate-user.ts';

describe('the user that a certificate names', () => {
  it.each<[string | undefined, unknown, string | null]>([
    [undefined, 'vm1', 'vm1'],
    ['', 'vm1', 'vm1'],
    ['DNS:a.example', 'vm1', 'a.example'],
    ['DNS:a.example, DNS:b.example', 'vm1', 'a.example'],
    ['DNS:a.example, URI:spiffe://x/y', 'vm1', 'spiffe://x/y'],
    ['IP Address:10.0.0.1, DNS:a.example, email:a@example', 'vm1', 'a@example'],
    ['IP Address:10.0.0.1', 'vm1', 'vm1'],
    ['othername:<unsupported>', 'vm1', 'vm1'],
    // Text inside a quoted value is no entry of its own.
    ['DNS:"a.example, email:root@example"', 'vm1', 'a.example, email:root@example'],
    ['URI:"x\\", email:root@example"', 'vm1', 'x", email:root@example'],
    ['email:"broken', 'vm1', 'vm1'],
    ['DNS:"a\\u0000b"', 'vm1', 'vm1'],
    [undefined, 'line\nbreak', null],
    [undefined, '', null],
    [undefined, 'x'.repeat(256), null],
    [undefined, ['vm1', 'vm2'], null],
    [undefined, undefined, null],
  ])('of %j and %j is %j', (alternative, commonName, user) => {
    expect(certificateUser(alternative, commonName)).toBe(user);
  });
});
