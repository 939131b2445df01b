/** What no program on this machine can see, and how to find out. */
import { hostPort } from '../../address/ip.ts';
import type { Finding } from './finding.ts';
import { about } from './finding.ts';
import type { Patient } from './patient.ts';

/** Said each time, for these are the rest of the way between a client and its tunnel. */
export function tellBeyond({ config, sources }: Patient): readonly Finding[] {
  const own = sources
    .ownAddresses()
    .find(({ text, family }) => family === 4 && !text.startsWith('127.') && !text.startsWith('169.254.'));
  const proxy = hostPort(own?.text ?? 'PROXY', config.listen[0]?.port ?? 3128);
  const [host, port] = [own?.text ?? 'PROXY', config.listen[0]?.port ?? 3128];
  return [
    about('azure', 'clients').unseen(
      'whether the application VMs use this proxy, or go past it',
      `on one of them: bash check.sh --proxy ${proxy} (deploy/clients), and \`curl -m 5 https://example.com\` without proxy ` +
        `has to fail; here: \`lockdown-proxy logs clients --expect vms.txt\` names those that never came`,
    ),
    about('azure', 'security-groups').unseen(
      'the network security groups of the clients and of this machine',
      `az network watcher test-ip-flow -g GROUP --vm CLIENT --direction Outbound --protocol TCP --local CLIENT-IP:60000 ` +
        `--remote ${host}:${port}; and for the whole list: az network nic list-effective-nsg -g GROUP -n NIC`,
    ),
    about('azure', 'routes').unseen(
      'routes of the subnets (UDR), NAT gateway',
      'az network nic show-effective-route-table -g GROUP -n NIC; az network vnet subnet show -g GROUP --vnet-name VNET -n SUBNET --query natGateway',
    ),
  ];
}
