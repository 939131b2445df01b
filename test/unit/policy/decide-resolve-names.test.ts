/** Which host names address rules may speak for. */
import { expect, test } from 'vitest';
import { policyOf } from '../../support/policy.ts';

test.each([
  ['acct.blob.core.windows.net', true],
  ['core.windows.net', true],
  ['pod01.wcus.backup.windowsazure.com', true],
  ['backup.windowsazure.us', true],
  ['md-x.z27.blob.storage.azure.net', true],
  ['acct.blob.core.usgovcloudapi.net', true],
  ['acct.blob.core.chinacloudapi.cn', true],
  ['login.microsoftonline.com', true],
  ['login.microsoftonline.us', true],
  ['login.partner.microsoftonline.cn', true],
  ['login.windows.net', true],
  ['management.azure.com', true],
  ['management.usgovcloudapi.net', true],
  ['management.chinacloudapi.cn', true],
  ['x.vault.azure.net', true],
  ['graph.microsoft.com', true],
  // What tenants run under names of their own choice, and names that only look like it.
  ['vm.westeurope.cloudapp.azure.com', false],
  ['vm.usgovvirginia.cloudapp.usgovcloudapi.net', false],
  ['vm.chinaeast.cloudapp.chinacloudapi.cn', false],
  ['site.z6.web.core.windows.net', false],
  ['site.z1.web.storage.azure.net', false],
  ['site.azurewebsites.net', false],
  ['app.trafficmanager.net', false],
  ['app.azurefd.net', false],
  ['app.azureedge.net', false],
  ['old.cloudapp.net', false],
  ['windows.net', false],
  ['azure.com.evil.net', false],
  ['evilazure.com', false],
  ['com', false],
])('%s lies under `azure`: %s', (host, isUnder) => {
  expect(policyOf([], { resolveNames: ['azure'] }).isResolvable(host)).toBe(isUnder);
});

test.each([
  [['contoso.com'], 'contoso.com', true],
  [['contoso.com'], 'a.b.contoso.com', true],
  [['contoso.com'], 'notcontoso.com', false],
  [['contoso.com'], 'management.azure.com', false],
  [['*.Contoso.com', 'azure'], 'a.contoso.com', true],
  [['.contoso.com.'], 'a.contoso.com', true],
  [['*'], 'www.example.org', true],
  [['*', 'azure'], 'vm.westeurope.cloudapp.azure.com', true],
  [['azure', 'westeurope.cloudapp.azure.com'], 'vm.westeurope.cloudapp.azure.com', true],
  [['azure', 'westeurope.cloudapp.azure.com'], 'vm.eastus.cloudapp.azure.com', false],
  [[], 'management.azure.com', false],
])('resolveNames: %j takes %s: %s', (resolveNames, host, isUnder) => {
  expect(policyOf([], { resolveNames }).isResolvable(host)).toBe(isUnder);
});
