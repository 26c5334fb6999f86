// Pictures that are drawn: how many a second, and how old.

const SPAN = 2000; // ms over which pictures are counted
const KEPT_AGES = 15; // of which the median is shown

export class Rate {
  constructor() {
    this.moments = [];
    this.ages = [];
  }

  /** Count a picture of `age` ms; null: not known, as of files. */
  add(age) {
    this.moments.push(performance.now());
    this.ages = age === null ? [] : [...this.ages, age].slice(-KEPT_AGES);
  }

  /** Pictures a second. */
  get perSecond() {
    const now = performance.now();
    this.moments = this.moments.filter((moment) => now - moment < SPAN);
    return this.moments.length / (SPAN / 1000);
  }

  /** Median age in ms; null where it is not known. */
  get age() {
    const sorted = [...this.ages].sort((a, b) => a - b);
    return sorted.length ? sorted[sorted.length >> 1] : null;
  }
}
