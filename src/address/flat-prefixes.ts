/** Prefixes by the ten thousand: words in typed arrays, no object each, ready to be moved between threads. */
export interface FlatPrefixes {
  /** `[network, length]` for each prefix. */
  readonly v4: Uint32Array<ArrayBuffer>;
  /** `[word 0, word 1, word 2, word 3, length]` for each prefix, most significant word first. */
  readonly v6: Uint32Array<ArrayBuffer>;
}
