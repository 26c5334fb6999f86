// Small plots as SVG, drawn at the width of their element so that text keeps its size.

const NAMESPACE = "http://www.w3.org/2000/svg";
const HEIGHT = 150; // CSS pixels of the plotted part
const LEFT = 34, RIGHT = 10, TOP = 10, AXIS = 24; // CSS pixels: margins, axis below
const TIME_STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600, 43200, 86400]; // s
const LABEL_WIDTH = 62; // CSS pixels that a label of an axis needs
const COUNT_LINES = 4;
const GAP = 0.2; // share of a group of bars that stays empty

export const GENDERS = ["female", "male", "unknown"];

/** "1:02:03", or "2:03" within the first hour. */
export function clock(seconds) {
  const whole = Math.max(Math.floor(seconds), 0);
  const [hour, minute, second] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const tail = `${hour ? String(minute).padStart(2, "0") : minute}:${String(second).padStart(2, "0")}`;
  return hour ? `${hour}:${tail}` : tail;
}

/**
 * Faces in view over time: the mean as an area, the most at once as a line of steps.
 * `overTime`: {width, most, mean} as in the summary's record; `seconds`: length of the run.
 */
export function facesCurve(element, overTime, seconds) {
  const { width: piece, most, mean } = overTime;
  const length = Math.max(seconds, piece, 1);
  const high = axisEnd(Math.max(1, ...most, ...mean));
  const { svg, width } = canvas(element);
  const x = (second) => LEFT + ((width - LEFT - RIGHT) * Math.min(second, length)) / length;
  countAxis(svg, high, width);
  const step = TIME_STEPS.find((each) => length / each <= (width - LEFT) / LABEL_WIDTH) ?? length / 6;
  for (let second = 0; second <= length; second += step) {
    add(svg, "text", { x: x(second), y: HEIGHT + 17, "text-anchor": "middle" }, clock(second));
  }
  if (most.length) {
    const end = x(Math.min(most.length * piece, length));
    const level = (values, command) =>
      values.map((value, k) => {
        const y = levelY(value, high);
        return `${k ? "L" : command}${fixed(x(k * piece))} ${y}L${fixed(x((k + 1) * piece))} ${y}`;
      }).join("");
    const area = `M${LEFT} ${HEIGHT}${level(mean, "L")}L${fixed(end)} ${HEIGHT}Z`;
    add(svg, "path", { class: "area", d: area });
    add(svg, "path", { class: "curve", d: level(most, "M") });
  }
  const now = most.length ? most[most.length - 1] : 0;
  describe(element, svg, `Faces in view over ${clock(seconds)}: at most ${Math.max(0, ...most)} at once, last ${now}`);
}

/**
 * Bars per place of the axis.
 * `labels`: one text per place, or ""; `series`: [{name, kind, values}], kind a class of style.css
 * ("female", "male", "unknown", "all"); `stacked`: series on top of each other, else side by side;
 * `title`: says what is plotted; `names`: the places in full, where labels are short.
 */
export function bars(element, { labels, series, stacked = false, title, names = labels }) {
  const shown = series.filter((each) => each.values.some((value) => value > 0));
  const totals = labels.map((_, k) => shown.map((each) => each.values[k]));
  const tops = totals.map((values) => stacked ? sum(values) : Math.max(0, ...values));
  const high = axisEnd(Math.max(1, ...tops));
  const { svg, width } = canvas(element);
  countAxis(svg, high, width);
  const slot = (width - LEFT - RIGHT) / labels.length;
  const widest = Math.max(...labels.map((label) => label.length)) * 7 + 10;
  let free = 0; // CSS pixels: where the next label has room
  const bar = (slot * (1 - GAP)) / (stacked ? 1 : Math.max(shown.length, 1));
  labels.forEach((label, k) => {
    const left = LEFT + slot * (k + GAP / 2);
    const middle = LEFT + slot * (k + 0.5);
    if (label && middle >= free) {
      free = middle + widest;
      add(svg, "text", { x: middle, y: HEIGHT + 17, "text-anchor": "middle" }, label);
    }
    let below = 0;
    shown.forEach((each, place) => {
      const value = each.values[k];
      const [start, end] = stacked ? [below, below + value] : [0, value];
      below += value;
      if (!(value > 0)) return;
      const top = levelY(end, high);
      const rect = add(svg, "rect", {
        class: each.kind, rx: 2, x: fixed(left + (stacked ? 0 : bar * place)), y: top,
        width: fixed(Math.max(bar - 1, 1)), height: fixed(levelY(start, high) - top),
      });
      add(rect, "title", {}, `${each.name}, ${names[k]}: ${value}`);
    });
  });
  const sums = shown.map((each) => `${each.name} ${sum(each.values)}`);
  describe(element, svg, `${title}: ${sums.join(", ") || "none yet"}`);
}

/** People by decade of age and gender; `ages` as in the summary's record. */
export function ageBars(element, ages) {
  const labels = ages.from.map((start, k) => {
    return k + 1 === ages.from.length ? `${start}+` : `${start}–${ages.from[k + 1] - 1}`;
  });
  const series = GENDERS.map((name) => ({ name, kind: name, values: ages[name] }));
  bars(element, { labels, series, title: "People by age" });
}

/** Call `draw` now and whenever the width of the element changes; returns the call itself. */
export function keepDrawn(element, draw) {
  let width = element.clientWidth;
  new ResizeObserver(() => {
    if (element.clientWidth !== width) {
      width = element.clientWidth;
      draw();
    }
  }).observe(element);
  draw();
  return draw;
}

function canvas(element) {
  const width = Math.max(element.clientWidth, 200);
  const height = HEIGHT + AXIS;
  const svg = document.createElementNS(NAMESPACE, "svg");
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.setAttribute("role", "img");
  return { svg, width };
}

function describe(element, svg, text) {
  svg.setAttribute("aria-label", text);
  element.replaceChildren(svg);
}

function add(parent, name, attributes, text) {
  const child = document.createElementNS(NAMESPACE, name);
  for (const [key, value] of Object.entries(attributes)) child.setAttribute(key, value);
  if (text !== undefined) child.textContent = text;
  parent.append(child);
  return child;
}

function countAxis(svg, high, width) {
  for (let number = 0; number <= high; number += countStep(high)) {
    const y = levelY(number, high);
    add(svg, "line", { x1: LEFT, x2: width - RIGHT, y1: y, y2: y });
    add(svg, "text", { x: LEFT - 8, y: y + 4, "text-anchor": "end" }, String(number));
  }
}

/** The distance of two lines: 1, 2 or 5 times a power of ten. */
function countStep(high) {
  const least = Math.max(high / COUNT_LINES, 1);
  const power = 10 ** Math.floor(Math.log10(least));
  return [1, 2, 5, 10].map((digit) => digit * power).find((step) => step >= least);
}

function axisEnd(high) {
  const step = countStep(high);
  return Math.ceil(high / step) * step;
}

function levelY(value, high) {
  return Number(fixed(HEIGHT - ((HEIGHT - TOP) * value) / high));
}

function fixed(number) {
  return number.toFixed(1);
}

function sum(values) {
  return values.reduce((total, value) => total + value, 0);
}
