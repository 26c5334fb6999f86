// The history page: hours, days or weeks of the visits that --store keeps.

import { ageBars, bars, clock, GENDERS, keepDrawn } from "./charts.js";

const REFRESH = 30000; // ms, while the page is looked at and shows today
const RETRY = 2000; // ms after the server did not answer
const DAYS = { hour: 1, day: 29 }; // before today, that are shown first; of weeks all
const MAX_ROWS = 200; // of the table
const BAR_WIDTH = 1.5; // CSS pixels that a bar and its gap have at least; narrower plots scroll
const HOUR_STEPS = [1, 2, 3, 6, 12, 24]; // between labels
const LABEL_WIDTH = 58; // CSS pixels
const DAY = 86400000; // ms

const $ = (id) => document.getElementById(id);
const form = $("choice");
const field = (name) => form.elements[name];
let record = null; // the newest answer of the server
let asked = 0; // number of the newest question
let timer = 0;

start();

function start() {
  const query = new URLSearchParams(location.search);
  if (query.get("by")) field("by").value = query.get("by");
  const source = query.get("source");
  if (source) {
    addSource(source);
    field("source").value = source;
  }
  setDates(query.get("since"), query.get("until"));
  for (const radio of field("by")) {
    radio.addEventListener("change", () => setDates(null, null));
  }
  form.addEventListener("change", () => ask(true));
  form.addEventListener("submit", (event) => event.preventDefault());
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) ask(false);
  });
  keepDrawn($("plot-ages"), draw);
  keepDrawn($("plots"), draw);
  ask(true);
}

/** The dates of the fields; null: as many days as the periods need. */
function setDates(since, until) {
  const days = DAYS[field("by").value];
  const first = days ? dateText(new Date(Date.now() - days * DAY)) : "";
  field("since").value = since ?? first;
  field("until").value = until ?? "";
}

// ---- question and answer

/** The parameters of the question, without empty ones. */
function parameters(by) {
  const given = { by, source: field("source").value, since: field("since").value, until: field("until").value };
  return new URLSearchParams(Object.entries(given).filter(([, value]) => value));
}

/** Ask the server; `changed`: for another part of the history than before. */
async function ask(changed) {
  clearTimeout(timer);
  const number = ++asked;
  const question = parameters(field("by").value);
  if (changed) history.replaceState(null, "", `?${question}`);
  let wait = REFRESH;
  try {
    const response = await fetch(`/api/history?${question}`);
    const answer = await response.json();
    if (number !== asked) return;
    if (response.ok) {
      record = answer;
      show(changed);
    } else {
      refuse(answer.error);
    }
  } catch {
    if (number !== asked) return;
    setState("bad", "the server does not answer, trying again");
    wait = RETRY;
  }
  timer = setTimeout(() => document.hidden || ask(false), wait);
}

function refuse(text) {
  $("message").textContent = text;
  $("message").hidden = false;
  setState("warn", "not updated");
}

function setState(kind, text) {
  $("state").className = `state ${kind}`;
  if ($("state").textContent !== text) $("state").textContent = text;
}

// ---- the page

function show(changed) {
  $("message").hidden = true;
  $("link-camera").hidden = !record.cameras;
  setState("good", `as of ${record.now.slice(11, 16)}`);
  $("zone").textContent = ` (${record.time_zone})`;
  record.sources.forEach(addSource);
  $("source-field").hidden = record.sources.length < 2 && !field("source").value;
  showFigures(record.total);
  const watched = record.periods.some(({ frames, people }) => frames || people);
  $("empty").hidden = watched;
  $("plots").hidden = $("tables").hidden = !watched;
  showTotals(record.periods);
  showNewest(record.visits);
  $("totals-csv").href = `/api/history.csv?${parameters(record.by)}`;
  $("visits-csv").href = `/api/history.csv?${parameters("visit")}`;
  draw();
  if (changed) for (const wide of $("plots").querySelectorAll(".wide")) wide.scrollLeft = wide.scrollWidth;
}

function addSource(name) {
  const select = field("source");
  if ([...select.options].some(({ value }) => value === name)) return;
  select.add(new Option(name, name));
}

function showFigures(total) {
  for (const name of ["people", ...GENDERS, "busiest"]) $(name).textContent = total[name].toLocaleString("en");
  $("mean").textContent = total.seconds_mean === null ? "–" : clock(total.seconds_mean);
}

function showTotals(periods) {
  $("by-name").textContent = record.by;
  const rows = periods.filter(({ frames, people }) => frames || people).reverse();
  $("totals").replaceChildren(...rows.slice(0, MAX_ROWS).map((period) => {
    const mean = period.seconds_mean === null ? "" : clock(period.seconds_mean);
    const numbers = [period.people, ...GENDERS.map((gender) => period[gender]), mean, period.busiest, period.dropped];
    return row([[periodName(period), "name"], ...numbers.map((number) => [number, "right"])]);
  }));
  note("totals-more", rows.length > MAX_ROWS && `The newest ${MAX_ROWS} of ${rows.length}; the CSV has all.`);
}

function showNewest(visits) {
  $("newest").replaceChildren(...visits.map((visit) => row([
    [`${day(visit.first_seen)} ${visit.first_seen.slice(11, 19)}`, ""],
    [visit.last_seen.slice(11, 19), ""],
    [clock(visit.seconds), "right"],
    [visit.gender, ""],
    [visit.age === null ? "" : Math.round(visit.age), "right"],
    [visit.age_low === null ? "" : `${Math.round(visit.age_low)}–${Math.round(visit.age_high)}`, "right"],
    [visit.source, "file"],
  ])));
  note("newest-more", visits.length < record.total.people && `The newest ${visits.length} of ${record.total.people}; the CSV has all.`);
}

function note(id, text) {
  $(id).hidden = !text;
  $(id).textContent = text || "";
}

function row(cells) {
  const line = document.createElement("tr");
  for (const [text, kind] of cells) {
    const cell = document.createElement(kind === "name" ? "th" : "td");
    cell.textContent = text;
    if (kind === "name") cell.scope = "row";
    else if (kind) cell.className = kind;
    if (kind === "file") cell.title = text;
    line.append(cell);
  }
  return line;
}

function draw() {
  if (!record || $("plots").hidden) return;
  const { periods, by, total } = record;
  const names = periods.map(periodName);
  for (const id of ["plot-visits", "plot-most"]) $(id).style.minWidth = `${periods.length * BAR_WIDTH}px`;
  const values = (key) => periods.map((period) => period[key]);
  const series = GENDERS.map((name) => ({ name, kind: name, values: values(name) }));
  bars($("plot-visits"), { labels: axisLabels($("plot-visits")), names, series, stacked: true, title: `Visits by ${by}` });
  const most = [{ name: "most at once", kind: "all", values: values("busiest") }];
  bars($("plot-most"), { labels: axisLabels($("plot-most")), names, series: most, title: `Most people at once by ${by}` });
  $("plot-most").firstChild.setAttribute("aria-label", `Most people at once by ${by}: at most ${total.busiest}`);
  ageBars($("plot-ages"), { from: record.ages_from, ...total.ages });
}

// ---- dates: those of the server, which states them with its offset

function parts(text) {
  const [year, month, date] = text.slice(0, 10).split("-").map(Number);
  return new Date(Date.UTC(year, month - 1, date));
}

function day(text, options = {}) {
  const format = { day: "numeric", month: "short", timeZone: "UTC", ...options };
  return parts(text).toLocaleDateString("en-GB", format);
}

/** The days; of hours those that have room, at round times. */
function axisLabels(plot) {
  if (record.by !== "hour") return record.periods.map(({ from }) => day(from));
  const least = (LABEL_WIDTH * record.periods.length) / plot.clientWidth;
  const step = HOUR_STEPS.find((hours) => hours >= least) ?? 24;
  return record.periods.map(({ from }) => {
    const time = from.slice(11, 16);
    if (time === "00:00") return day(from);
    return time.endsWith(":00") && Number(time.slice(0, 2)) % step === 0 ? time : "";
  });
}

function periodName({ from, to }) {
  if (record.by === "hour") return `${day(from, { weekday: "short" })} ${from.slice(11, 16)}`;
  if (record.by === "day") return day(from, { weekday: "short", year: "numeric" });
  const last = new Date(parts(to) - DAY).toISOString();
  return `${day(from)} – ${day(last, { year: "numeric" })}`;
}

function dateText(date) {
  const two = (number) => String(number).padStart(2, "0");
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}
