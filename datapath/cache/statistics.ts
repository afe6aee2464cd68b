/** Frames by where their answer came from, and answers that were given up. */
export class CacheStatistics {
  only = 0
  microflow = 0
  megaflow = 0
  miss = 0
  /** Of all these, those that were read anew where the pipeline had left off. */
  recirculated = 0
  /** Steps of look-ups for megaflows that were found, and in vain. */
  probes = 0
  vainProbes = 0
  /** Answers that were asked for again after a change, and of these the ones that it had made out of date. */
  revalidated = 0
  outdated = 0
  /** Answers that gave way to others. */
  evicted = 0
}
