/** The retired "Microsoft Azure Datacenter IP Ranges" XML, for import only. Sole user of saxes. */
import { SaxesParser } from 'saxes';

import type { Result } from '../../errors.ts';
import type { RangesDocument } from './document.ts';
import { quote } from './quote.ts';
import type { TagCollector } from './tag-collector.ts';
import { createTagCollector } from './tag-collector.ts';

/** Stops the parser at the first fault. */
class XmlFault extends Error {}

const rootName = 'AzurePublicIpAddresses';

/**
 * Reads a `PublicIPs` file. It knows regions and no services, so each region becomes a tag of the region's own name
 * (`europewest`): naming it `AzureCloud.westeurope` would claim that today's tag of that name has these prefixes. A document
 * type is refused, and with it every entity but the five of XML itself.
 */
export function readLegacyXml(text: string): Result<RangesDocument> {
  const collector = createTagCollector();
  try {
    parse(text, collector);
  } catch (error) {
    if (!(error instanceof XmlFault)) throw error;
    return { ok: false, message: error.message };
  }
  const tags = collector.finish();
  if (!tags.ok) return tags;
  return { ok: true, value: { format: 'legacy-xml', cloud: null, changeNumber: null, date: null, tags: tags.value } };
}

/** @throws XmlFault with the place in its message. */
function parse(text: string, collector: TagCollector): void {
  const parser = new SaxesParser();
  const path: string[] = [];
  let ended = false;
  const refuse = (message: string): never => {
    throw new XmlFault(`Line ${parser.line}: ${message}`);
  };
  parser.on('error', (error) => {
    const message = error.message.replace(/^\d+:\d+: /, '');
    refuse(ended ? `cut short: ${message}` : `not XML: ${quote(message, 100)}`);
  });
  parser.on('doctype', () => refuse('a document type has no place here'));
  parser.on('opentag', ({ name, attributes }) => {
    path.push(name);
    const fault = readElement(path.join('/'), attributes, collector);
    if (fault !== null) refuse(fault);
  });
  parser.on('closetag', () => void path.pop());
  parser.write(text);
  ended = true;
  parser.close();
}

function readElement(
  path: string,
  attributes: Readonly<Record<string, string>>,
  collector: TagCollector,
): string | null {
  const { Name: region, Subnet: subnet } = attributes;
  switch (path) {
    case rootName:
      return null;
    case `${rootName}/Region`:
      return region === undefined ? 'Region without a Name' : collector.begin(region, region, null);
    case `${rootName}/Region/IpRange`:
      return subnet === undefined ? 'IpRange without a Subnet' : collector.add(subnet);
    default:
      return `unexpected element ${quote(path)}`;
  }
}
