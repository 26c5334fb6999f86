// The live page: joins the connection, the pictures, the people, the plots and the keys.

import { Clock } from "./clock.js";
import { Connection } from "./connection.js";
import { Notices } from "./notices.js";
import { People } from "./people.js";
import { Plots } from "./plots.js";
import { Rate } from "./rate.js";
import { saveSnapshot } from "./snapshot.js";
import { Stage } from "./stage.js";

const VIEW_DELAY = 100; // ms in which changes of sizes are gathered
const REFRESH = 250; // ms between two looks at people and rates
const GROW_TIME = 800; // ms to wait for a larger picture before a snapshot
const GOING_AWAY = 1001; // code of a socket that the server closes when it ends
const TOKEN_NEEDED =
  "This page needs the token of the server. Open the address that AgeStream printed, with ?token=… at its end.";

const $ = (id) => document.getElementById(id);
const options = { boxes: true, labels: true };
let paused = false;
let growing = false; // pictures of full resolution are wanted for a snapshot
let ended = false; // the run
let refused = false; // the server wants a token
let recording = null; // {file, on}
let sentView = "";
let viewTimer = 0;
const lost = new Set(); // names of sources

const stage = new Stage($("stage"), requestView);
const people = new People($("people"), $("nobody"));
const notices = new Notices($("notices"), $("notice-list"));
const rate = new Rate();
const clock = new Clock();
const plots = new Plots($("plot-faces"), $("plot-ages"), showSummary);
const connection = new Connection("/api/live", {
  hello, event, status: takeStatus, picture: takePicture, state: showConnection,
});
connection.connect();

// ---- messages of the server

function hello(message) {
  document.title = `${message.sources.map(({ title }) => title).join(", ") || "no source"} - AgeStream`;
  $("title").textContent = message.sources.map(({ title }) => title).join(", ");
  $("link-camera").hidden = !message.cameras;
  $("link-history").hidden = !message.history;
  $("covered").hidden = message.anonymize === null;
  $("no-source").hidden = message.sources.length > 0;
  $("live").hidden = message.sources.length === 0;
  clock.start();
  lost.clear();
  message.lost.forEach((name) => lost.add(name));
  setEnded(message.ended);
  stage.start(message.sources, options);
  people.start(message.sources);
  showRecording(message.recording);
  showNotes();
  sentView = "";
  sendView();
}

function event({ kind, text, source }) {
  notices.add(kind, text);
  if (kind === "lost") {
    lost.add(source);
    people.leave(source);
  }
  if (kind === "back") lost.delete(source);
  showNotes();
}

function takeStatus(message) {
  clock.hear(message.sent_ms);
  $("viewers").textContent = message.viewers;
  $("dropped").textContent = message.dropped;
  $("run-rate").textContent = message.fps.toFixed(1);
  if (!paused) people.time(message.people);
  setEnded(message.ended);
  showRecording(message.recording);
}

async function takePicture(header, picture) {
  clock.hear(header.sent_ms);
  const tile = stage.tiles.get(header.source);
  if (tile && !paused && (await tile.take(header, picture))) {
    const known = header.age_ms !== null;
    rate.add(known ? header.age_ms + clock.since(header.sent_ms, plots.oneWay) : null);
    if (!lost.has(header.source)) people.see(header);
    if (tile.noted) showNotes();
  }
  connection.send({ type: "ack", source: header.source, number: header.number });
}

// ---- what the page asks for

/** Ask for other widths soon, once for many changes. */
function requestView() {
  clearTimeout(viewTimer);
  viewTimer = setTimeout(sendView, VIEW_DELAY);
}

function sendView() {
  const seen = new Set(stage.seen);
  const widths = {};
  for (const [name, tile] of stage.tiles) {
    const width = growing ? Math.max(tile.pixels, tile.header?.width ?? 0) : tile.pixels;
    widths[name] = document.hidden || paused || !seen.has(tile) ? 0 : width;
  }
  const view = JSON.stringify(widths);
  if (view === sentView) return;
  sentView = view;
  connection.send({ type: "view", widths });
}

// ---- what the page shows

/** Take a state of the connection, see connection.js. */
function showConnection(name, code) {
  if (name === "connecting") return;
  refused = name === "refused";
  if (code === GOING_AWAY) setEnded(true);
  $("message").hidden = !refused;
  $("message").textContent = refused ? TOKEN_NEEDED : "";
  if (!connection.open) forgetStatus();
  plots.run(connection.open && !document.hidden);
  showNotes();
}

/** Show no figures of a server that does not say them. */
function forgetStatus() {
  for (const id of ["viewers", "dropped", "run-rate"]) $(id).textContent = "–";
  if (recording) showRecording({ ...recording, on: false });
  $("record").disabled = true;
}

function setEnded(now) {
  if (now && !ended) notices.add("info", "the run has ended: its last pictures stay");
  ended = now;
  showNotes();
}

function showState() {
  let [kind, text] = ["warn", "not connected, trying again"];
  if (refused) [kind, text] = ["bad", "no access"];
  else if (ended) [kind, text] = ["", "ended"];
  else if (connection.open) [kind, text] = ["good", "live"];
  if ($("state").textContent === text) return;
  $("state").className = `state ${kind}`;
  $("state").textContent = text;
}

/** The state of the page, and words over each picture. */
function showNotes() {
  showState();
  for (const [name, tile] of stage.tiles) {
    if (ended) tile.setNote("the run has ended", "calm");
    else if (!connection.open) tile.setNote(tile.header ? "not connected, trying again" : "connecting…", "busy");
    else if (lost.has(name)) tile.setNote("camera lost, reconnecting", "busy");
    else if (paused) tile.setNote("paused", "calm");
    else if (!tile.header) tile.setNote("waiting for the first picture", "busy");
    else tile.setNote("");
  }
}

function showSummary(record) {
  $("seen").textContent = record.people_seen;
}

function showRecording(now) {
  recording = now;
  const button = $("record");
  button.hidden = now === null;
  button.disabled = ended;
  if (!now) return;
  button.setAttribute("aria-pressed", now.on);
  $("record-word").textContent = now.on ? "Recording" : "Record";
  $("record-file").textContent = now.file;
  button.title = now.on ? `stop recording into ${now.file}` : `record into ${now.file}`;
}

function showRates() {
  $("page-rate").textContent = rate.perSecond.toFixed(1);
  const age = rate.age;
  $("latency").textContent = age === null ? "–" : age.toFixed(0);
  $("latency-unit").hidden = age === null;
  people.render();
}

// ---- what the viewer does

function toggle(name) {
  options[name] = !options[name];
  $(name).setAttribute("aria-pressed", options[name]);
  stage.redraw();
}

function pause() {
  paused = !paused;
  $("pause").setAttribute("aria-pressed", paused);
  $("pause-word").textContent = paused ? "Go on" : "Pause";
  showNotes();
  sendView();
}

async function snapshot() {
  const tiles = stage.full || stage.large ? [stage.tiles.get(stage.full ?? stage.large)] : stage.seen;
  if (!paused && !ended) await grown(tiles);
  const name = await saveSnapshot(tiles);
  if (name) notices.add("info", `saved ${name}`);
}

/** Wait until the tiles have pictures of full resolution, as far as they come in time. */
async function grown(tiles) {
  const before = tiles.map((tile) => tile.bitmap?.width ?? 0);
  const small = () => tiles.some((tile, k) =>
    tile.header && tile.bitmap.width < tile.header.width && tile.bitmap.width <= before[k]);
  if (!small()) return;
  growing = true;
  sendView();
  const end = performance.now() + GROW_TIME;
  while (small() && performance.now() < end) await new Promise((done) => setTimeout(done, 20));
  growing = false;
  sendView();
}

function record() {
  if (recording) connection.send({ type: "record", on: !recording.on });
}

function fullScreen() {
  stage.fill(stage.full ? null : stage.current);
}

function help() {
  if ($("help-text").open) $("help-text").close();
  else $("help-text").showModal();
}

const KEYS = {
  b: () => toggle("boxes"), l: () => toggle("labels"), " ": pause, s: snapshot, f: fullScreen,
  "?": help, Escape: () => stage.back(),
};

document.addEventListener("keydown", (event) => {
  const { key, target } = event;
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  if ($("help-text").open && key !== "?") return;
  const presses = target.closest("button, a, summary") && !target.classList.contains("cover");
  if (key === " " && presses) return; // the space bar presses a focused button
  const act = KEYS[key.length === 1 ? key.toLowerCase() : key];
  if (!act) return;
  event.preventDefault();
  act();
});

document.addEventListener("visibilitychange", () => {
  if (!document.hidden) connection.retry();
  sendView();
  plots.run(!document.hidden && connection.open);
});

for (const [id, act] of Object.entries({
  boxes: () => toggle("boxes"), labels: () => toggle("labels"), pause, snapshot, record, help,
  full: fullScreen, close: help,
})) {
  $(id).addEventListener("click", act);
}

setInterval(showRates, REFRESH);
