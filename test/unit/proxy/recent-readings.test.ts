import { expect, it } from 'vitest';
import { parseAddress } from '../../../src/address/ip.ts';
import { rememberReadings } from '../../../src/proxy/recent-readings.ts';

const createAddressReader = () => rememberReadings(parseAddress, (address) => address !== null);

it('reads every address as if it were the first, however many came before', () => {
  const read = createAddressReader();
  const texts = Array.from({ length: 5000 }, (_, index) => `10.1.${index >> 8}.${index & 255}`);
  for (const text of [...texts, '::ffff:10.0.0.5', '2001:DB8::1', ...texts.toReversed()]) {
    expect(read(text)).toEqual(parseAddress(text));
  }
});

it('gives null for what is none, again and again', () => {
  const read = createAddressReader();
  expect([read(''), read('10.0.0'), read('fe80::1%eth0'), read('10.0.0')]).toEqual([null, null, null, null]);
});
