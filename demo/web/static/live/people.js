// The people in view: a table that changes as little as possible.

import { clock } from "/static/charts.js";
import { confirmed, faceText, whole } from "/static/overlay.js";

const LEAVING = 2000; // ms for which somebody who has left stays in the table
const KEY = (source, id) => `${id} ${source}`;

export class People {
  /** `table`: an empty table; `empty`: what is shown in its place while nobody is there. */
  constructor(table, empty) {
    [this.table, this.empty] = [table, empty];
    this.people = new Map(); // by KEY
    this.bodies = new Map(); // by source
  }

  /** Begin anew with these sources; their order is the table's. */
  start(sources) {
    this.people.clear();
    this.bodies.clear();
    this.table.querySelectorAll("tbody").forEach((body) => body.remove());
    for (const { name, title } of sources) {
      const body = document.createElement("tbody");
      if (sources.length > 1) body.append(titleRow(title));
      this.bodies.set(name, body);
      this.table.append(body);
    }
    this.render();
  }

  /** Take the faces of a frame. */
  see({ source, faces, colours }) {
    const now = performance.now();
    const here = new Set();
    for (const face of confirmed(faces)) {
      const key = KEY(source, face.id);
      here.add(key);
      const known = this.people.get(key) ?? { seconds: 0, row: null, source };
      this.people.set(key, Object.assign(known, { face, colour: colours[face.id], left: null }));
    }
    for (const [key, person] of this.people) {
      if (person.source === source && !here.has(key)) person.left ??= now;
    }
  }

  /** Take the times in view: [{source, id, seconds}]. */
  time(people) {
    for (const { source, id, seconds } of people) {
      const person = this.people.get(KEY(source, id));
      if (person) person.seconds = seconds;
    }
  }

  /** Nobody of a source is in view. */
  leave(source) {
    this.see({ source, faces: [], colours: {} });
  }

  render() {
    const now = performance.now();
    for (const [key, person] of this.people) {
      const leaving = person.left !== null;
      if (leaving && now - person.left > LEAVING) {
        person.row?.remove();
        this.people.delete(key);
        continue;
      }
      person.row ??= this.insert(person);
      person.row.classList.toggle("gone", leaving);
      fill(person.row, person);
    }
    for (const [source, body] of this.bodies) {
      body.hidden = ![...this.people.values()].some((person) => person.source === source);
    }
    this.table.hidden = this.people.size === 0;
    this.empty.hidden = this.people.size > 0;
  }

  /** A row at its place: ids grow, and who is there keeps the place. */
  insert({ source, face }) {
    const row = document.createElement("tr");
    const badge = document.createElement("span");
    badge.className = "badge";
    for (let k = 0; k < 4; k++) row.append(document.createElement("td"));
    row.cells[0].append(badge);
    row.cells[3].className = "right";
    row.dataset.id = face.id;
    const body = this.bodies.get(source);
    const next = [...body.querySelectorAll("[data-id]")].find((each) => Number(each.dataset.id) > face.id);
    body.insertBefore(row, next ?? null);
    return row;
  }
}

function fill(row, { face, colour, seconds }) {
  const [badge] = row.cells[0].children;
  badge.style.background = colour;
  const ranged = face.age_low !== null && face.age_high !== null;
  write(badge, String(face.id));
  write(row.cells[1], faceText(face, false));
  write(row.cells[2], ranged ? `${whole(face.age_low)}–${whole(face.age_high)}` : "");
  write(row.cells[3], clock(seconds));
}

function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function titleRow(title) {
  const row = document.createElement("tr");
  const head = Object.assign(document.createElement("th"), { colSpan: 4, scope: "rowgroup", textContent: title });
  row.append(head);
  return row;
}
