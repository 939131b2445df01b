/** Names that many tenants share: what a wildcard over them opens is judged from these lists, for each cloud. */

/** Roots under which the storage services of a cloud keep their accounts: `ACCOUNT.SERVICE.ROOT`. */
const storageRoots = ['core.windows.net', 'core.usgovcloudapi.net', 'core.chinacloudapi.cn', 'core.cloudapi.de'];
const storageServices = ['blob', 'queue', 'table', 'file', 'dfs', 'web'];

/** Roots of managed disks: `md-x.zNN.blob.ROOT` and `DISK.disk.ROOT`. */
const diskRoots = ['storage.azure.net', 'storage.usgovcloudapi.net', 'storage.chinacloudapi.cn'];

/** Suffixes below which anybody may own a name, so that a wildcard over one lets data out to any tenant. */
export const tenantSuffixes: readonly string[] = [
  ...storageRoots.flatMap((root) => storageServices.map((service) => `${service}.${root}`)),
  ...diskRoots.flatMap((root) => [`blob.${root}`, `disk.${root}`]),
];

/** Service tags that hold the storage of every tenant; regional ones (`Storage.WestEurope`) begin with these. */
export const tenantTags: readonly string[] = ['storage', 'azurecloud', 'internet'];

/** Suffixes that unrelated services share: a wildcard over one opens far more than any one need. */
export const wideSuffixes: readonly string[] = [
  ...storageRoots,
  ...diskRoots,
  'windows.net',
  'usgovcloudapi.net',
  'chinacloudapi.cn',
  'cloudapi.de',
  'microsoft.com',
  'microsoftonline.com',
  'windowsazure.com',
  'windowsazure.us',
  'windowsazure.cn',
  'azure.com',
  'azure.net',
  'azure.us',
  'azure.cn',
  'windows.com',
  'azureedge.net',
  'azurefd.net',
  'azurewebsites.net',
  'cloudapp.net',
  'cloudapp.azure.com',
  'trafficmanager.net',
];

/** First labels of service suffixes; a `*` glued in front of one was meant to stand before a dot. */
export const serviceLabels: ReadonlySet<string> = new Set([
  ...storageServices,
  'disk',
  'storage',
  'core',
  'backup',
  'vault',
  'managedhsm',
  'login',
  'graph',
  'management',
  'servicebus',
  'database',
  'monitor',
  'ods',
  'oms',
  'siterecovery',
  'hypervrecoverymanager',
  'update',
  'windowsupdate',
  'azurecr',
  'data',
  'mcr',
  'windows',
  'windowsazure',
  'microsoft',
  'microsoftonline',
  'azure',
]);
