/** The rules that the scripts in `deploy/nsg` make for a proxy at 10.0.0.5: name, priority, and so on, each on a line. */

export const open = [
  'allow-proxy-internet 200 Outbound Allow Tcp 10.0.0.5/32 Internet 80 443',
  'deny-internet 4000 Outbound Deny * * Internet *',
];

/** With `--tight`. */
export const tight = [
  'allow-proxy-storage 201 Outbound Allow Tcp 10.0.0.5/32 Storage 443',
  'allow-proxy-azurebackup 202 Outbound Allow Tcp 10.0.0.5/32 AzureBackup 443',
  'allow-proxy-azureactivedirectory 203 Outbound Allow Tcp 10.0.0.5/32 AzureActiveDirectory 443',
  'allow-proxy-azureresourcemanager 204 Outbound Allow Tcp 10.0.0.5/32 AzureResourceManager 443',
  'deny-internet 4000 Outbound Deny * * Internet *',
];
