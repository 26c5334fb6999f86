// How long ago the server sent a message, though its clock is another one.

const KEPT = 60; // messages a second apart, so that clocks that drift do no harm

export class Clock {
  constructor() {
    this.start();
  }

  /** Begin anew: another server has another clock. */
  start() {
    this.shortest = []; // ms from the server's clock to ours, the least of each second
  }

  /** A message of `sent` ms, the server's clock, arrives now. */
  hear(sent) {
    const second = Math.floor(performance.now() / 1000);
    const gap = performance.now() - sent;
    const last = this.shortest.at(-1);
    if (last?.second === second) last.gap = Math.min(last.gap, gap);
    else this.shortest = [...this.shortest, { second, gap }].slice(-KEPT);
  }

  /** Milliseconds since `sent`; `oneWay`: those that the fastest message takes. */
  since(sent, oneWay) {
    return performance.now() - sent - Math.min(...this.shortest.map(({ gap }) => gap)) + oneWay;
  }
}
