/** A document of datacenter ranges in its one internal form, whichever of the published formats it came in. */
import type { FlatPrefixes } from '../../address/flat-prefixes.ts';

/** One service tag: a name for prefixes that change. */
export interface Tag {
  /** As published; names are compared without regard to case. */
  readonly name: string;
  readonly region: string | null;
  readonly service: string | null;
  /** In the published order within each family. */
  readonly prefixes: FlatPrefixes;
}

/** A whole document as it was read: nothing guarded yet, nothing dropped. */
export interface RangesDocument {
  readonly format: 'service-tags' | 'discovery' | 'legacy-xml' | 'cidr-text' | 'compact';
  /** The cloud as the document says it (`Public`, `AzureGovernment`, `China`); null where it does not. */
  readonly cloud: string | null;
  /** Counts up with the published content, but for a few times it went down; null where the format has none. */
  readonly changeNumber: number | null;
  /** `YYYY-MM-DD`, where known. */
  readonly date: string | null;
  /** By the name in lower case. */
  readonly tags: ReadonlyMap<string, Tag>;
}
