// Faces over time and ages by gender, from the summary of the run.

import { ageBars, facesCurve, keepDrawn } from "/static/charts.js";

const INTERVAL = 2000; // ms between two looks at the summary
const KEPT_TRIPS = 5;

export class Plots {
  /** `faces`, `ages`: elements to draw in; `taken`: called with each summary. */
  constructor(faces, ages, taken) {
    this.taken = taken;
    this.trips = []; // ms that the last requests took
    this.record = null;
    this.draw = [
      keepDrawn(faces, () => this.record && facesCurve(faces, this.record.faces_over_time, this.record.seconds)),
      keepDrawn(ages, () => this.record && ageBars(ages, this.record.ages)),
    ];
    this.active = false;
  }

  /** Look at the summary again and again while `active`. */
  run(active) {
    if (active === this.active) return;
    this.active = active;
    clearTimeout(this.timer);
    if (active) this.look();
  }

  /** Half of the shortest of the last round trips, in ms. */
  get oneWay() {
    return this.trips.length ? Math.min(...this.trips) / 2 : 0;
  }

  async look() {
    try {
      const start = performance.now();
      const answer = await fetch("/api/summary?people=no", { cache: "no-store" });
      this.trips = [...this.trips, performance.now() - start].slice(-KEPT_TRIPS);
      if (answer.ok) {
        this.record = await answer.json();
        this.draw.forEach((draw) => draw());
        this.taken(this.record);
      }
    } catch {
      // the server is away: the connection says so
    }
    clearTimeout(this.timer);
    if (this.active) this.timer = setTimeout(() => this.look(), INTERVAL);
  }
}
