/** Which cloud `cloud: auto` means. */
import { expect, test } from 'vitest';
import { detectCloud } from '../../../src/state/cloud.ts';

const azureTag = '7783-7084-3265-9085-8269-3286-77';

test.each([
  ['AzurePublicCloud', 'public'],
  ['AzureUSGovernmentCloud', 'usgov'],
  ['AzureChinaCloud', 'china'],
  ['AzureChinaCloud\n', 'china'],
  ['AzureGermanCloud', 'public'],
  ['<html>not found</html>', 'public'],
  ['', 'public'],
])('an Azure machine whose metadata says %j is in the %s cloud', async (environment, cloud) => {
  const deps = {
    readAssetTag: () => Promise.resolve(`${azureTag}\n`),
    getEnvironment: () => Promise.resolve(environment),
  };
  expect(await detectCloud(deps)).toBe(cloud);
});

test.each(['', 'No Asset Tag', `${azureTag}0`])(
  'a machine with the asset tag %j is never asked for metadata',
  async (tag) => {
    let asked = 0;
    const getEnvironment = () => {
      asked += 1;
      return Promise.resolve('AzureChinaCloud');
    };
    expect(await detectCloud({ readAssetTag: () => Promise.resolve(tag), getEnvironment })).toBe('public');
    expect(asked).toBe(0);
  },
);

test('a machine without an asset tag is in the public cloud, unasked', async () => {
  let asked = 0;
  const readAssetTag = () => Promise.reject(new Error('ENOENT'));
  const getEnvironment = () => {
    asked += 1;
    return Promise.resolve('AzureChinaCloud');
  };
  expect(await detectCloud({ readAssetTag, getEnvironment })).toBe('public');
  expect(asked).toBe(0);
});

test('metadata that does not answer means the public cloud', async () => {
  const readAssetTag = () => Promise.resolve(azureTag);
  const getEnvironment = () => Promise.reject(new Error('time-out'));
  expect(await detectCloud({ readAssetTag, getEnvironment })).toBe('public');
});
