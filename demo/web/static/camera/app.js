// The camera page: the viewer's own camera, one picture at a time, each drawn with its own answer.

import { People } from "/static/live/people.js";
import { Rate } from "/static/live/rate.js";
import { saveSnapshot } from "/static/live/snapshot.js";
import { Stage } from "/static/live/stage.js";
import { confirmed } from "/static/overlay.js";
import { Capture } from "./capture.js";
import { Link } from "./link.js";
import { mirroredHeader, mirroredPicture } from "./mirror.js";
import { Photos } from "./photos.js";

const SOURCE = { name: "camera", title: "Your camera" };
const REFRESH = 250; // ms between two looks at people and figures
const STILL = 3000; // ms without a picture of the camera, after which the page says so

const $ = (id) => document.getElementById(id);
const options = { boxes: true, labels: true };
let round = 0; // grows with each start and stop, so that the loop of an older one ends
let on = false;
let paused = false;
let trouble = ""; // why there is no connection
let mirrored = true;
let resume = null; // wakes the loop of a page that was paused or hidden
let grabbed = 0; // when the camera gave its last picture
let processing = null; // ms at the server, of the last picture
let last = null; // answer and picture that are shown
const since = new Map(); // seconds at which a person was first seen, by id

const stage = new Stage($("stage"), () => {});
stage.start([SOURCE], options);
const tile = stage.tiles.get(SOURCE.name);
const people = new People($("people"), $("nobody"));
people.start([SOURCE]);
let rate = new Rate();
const capture = new Capture(() => stop("The camera went away. Start it again when it is back."));
const link = new Link("/api/camera", hello, lose);
const photos = new Photos({ list: $("photos"), results: $("results"), doing: $("doing") });

// ---- the loop

/** Send picture after picture, each when the last one's answer is drawn. */
async function feed(mine) {
  let [sent, spare] = [document.createElement("canvas"), document.createElement("canvas")];
  while (mine === round) {
    await capture.next();
    if (paused || document.hidden) {
      await new Promise((done) => (resume = done));
      continue;
    }
    const start = (grabbed = performance.now());
    const jpeg = await capture.grab(sent, Number($("size").value));
    const answer = jpeg && mine === round && (await link.ask(jpeg));
    if (!answer || mine !== round) continue;
    const covered = answer.picture && (await createImageBitmap(answer.picture));
    take({ ...answer.header, frame: answer.header.number }, covered ?? sent);
    rate.add(performance.now() - start);
    [sent, spare] = [spare, sent];
  }
}

function hello(message) {
  trouble = "";
  $("covered").hidden = message.anonymize === null;
  $("link-history").hidden = !message.history;
  since.clear();
  people.start([SOURCE]); // ids begin anew
}

function lose(reason) {
  if (on && !paused && !document.hidden) trouble = reason;
  showState();
}

// ---- what the page shows

/** Show a picture with its own answer. */
function take(header, picture) {
  last?.picture.close?.();
  last = { header, picture };
  processing = header.processing_ms;
  show();
  people.see({ ...header, source: SOURCE.name });
  const ids = confirmed(header.faces).map(({ id }) => id);
  ids.filter((id) => !since.has(id)).forEach((id) => since.set(id, header.time));
  people.time(ids.map((id) => ({ source: SOURCE.name, id, seconds: header.time - since.get(id) })));
  if (tile.noted) showState();
}

function show() {
  if (!last) return;
  const { header, picture } = last;
  tile.header = mirrored ? mirroredHeader(header) : header;
  tile.bitmap = mirrored ? mirroredPicture(picture) : picture;
  tile.draw();
  tile.describe();
}

function showState() {
  const still = on && performance.now() - grabbed > STILL;
  let [kind, text] = ["", "off"];
  if (on && paused) [kind, text] = ["", "paused"];
  else if (on && trouble) [kind, text] = ["warn", "not connected, trying again"];
  else if (on && still) [kind, text] = ["warn", "the camera sends no pictures"];
  else if (on && !last) [kind, text] = ["warn", "starting…"];
  else if (on) [kind, text] = ["good", "live"];
  if ($("state").textContent !== text) [$("state").className, $("state").textContent] = [`state ${kind}`, text];
  const note = trouble && kind === "warn" ? `${trouble}: trying again` : text;
  if (on) tile.setNote(kind === "good" ? "" : note, kind === "warn" ? "busy" : "calm");
}

function showFigures() {
  if (!on) return;
  showState();
  if (paused) return;
  $("rate").textContent = rate.perSecond.toFixed(0);
  number("trip", rate.age);
  number("processing", processing);
  people.render();
}

function number(id, milliseconds) {
  $(id).textContent = milliseconds === null ? "–" : milliseconds.toFixed(0);
  $(`${id}-unit`).hidden = milliseconds === null;
}

function say(text) {
  $("message").hidden = !text;
  $("message").textContent = text;
}

/** Show the buttons that do something now. */
function showTools() {
  $("start").hidden = on;
  $("stage").classList.toggle("off", !on);
  $("off").hidden = !on;
  $("pause").disabled = $("snapshot").disabled = !on;
  $("pause").setAttribute("aria-pressed", paused);
  $("pause-word").textContent = paused ? "Go on" : "Pause";
  $("mirror").setAttribute("aria-pressed", mirrored);
  showState();
}

async function showChoices() {
  const [choices, current] = await capture.choices();
  $("camera").replaceChildren(...choices.map(({ value, title }) => new Option(title, value)));
  $("camera").value = current;
  $("camera-label").hidden = choices.length < 2;
}

// ---- what the viewer does

async function start(choice = "") {
  const mine = ++round;
  link.close(); // the ids of another camera begin anew
  say("");
  $("on").disabled = true;
  try {
    await capture.open(choice);
  } catch (error) {
    if (mine === round) stop(error.message);
    return;
  } finally {
    $("on").disabled = false;
  }
  if (mine !== round) return;
  [on, paused, trouble, rate, grabbed] = [true, false, "", new Rate(), performance.now()];
  mirrored = capture.front;
  showTools();
  showChoices();
  $("pause").focus({ preventScroll: true });
  feed(mine);
}

/** Close the camera; `words`: why, if the viewer did not. */
function stop(words = "") {
  round += 1;
  const had = on;
  [on, paused] = [false, false];
  capture.close();
  link.close();
  resume?.();
  clear();
  showTools();
  say(words);
  if (had) $("on").focus({ preventScroll: true });
}

function clear() {
  last?.picture.close?.();
  last = tile.header = tile.bitmap = null;
  tile.context.clearRect(0, 0, tile.canvas.width, tile.canvas.height);
  tile.describe();
  people.start([SOURCE]);
  processing = null;
  for (const id of ["rate", "trip", "processing"]) $(id).textContent = "–";
  $("trip-unit").hidden = $("processing-unit").hidden = true;
}

function pause() {
  if (!on) return;
  paused = !paused;
  [rate, grabbed] = [new Rate(), performance.now()];
  if (!paused) resume?.();
  showTools();
}

function mirror() {
  mirrored = !mirrored;
  show();
  showTools();
}

function toggle(name) {
  options[name] = !options[name];
  $(name).setAttribute("aria-pressed", options[name]);
  stage.redraw();
}

function fullScreen() {
  stage.fill(stage.full ? null : stage.current);
}

const KEYS = {
  " ": pause, m: mirror, b: () => toggle("boxes"), l: () => toggle("labels"), f: fullScreen,
  s: () => on && saveSnapshot([tile]), Escape: () => stage.back(),
};

document.addEventListener("keydown", (event) => {
  const { key, target } = event;
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  if (target.closest("select, input")) return;
  if (key === " " && target.closest("button, a") && !target.classList.contains("cover")) return;
  const act = KEYS[key.length === 1 ? key.toLowerCase() : key];
  if (!act) return;
  event.preventDefault();
  act();
});

document.addEventListener("visibilitychange", () => {
  [rate, grabbed] = [new Rate(), performance.now()];
  if (!document.hidden) resume?.();
});

// ---- photos

$("files").addEventListener("change", () => {
  photos.add([...$("files").files]);
  $("files").value = "";
});

let over = 0; // elements under the files that are dragged
document.addEventListener("dragenter", (event) => {
  if (!event.dataTransfer?.types.includes("Files")) return;
  over += 1;
  $("drop").hidden = false;
});
document.addEventListener("dragleave", () => {
  over = Math.max(over - 1, 0);
  $("drop").hidden = over === 0;
});
document.addEventListener("dragover", (event) => event.preventDefault());
document.addEventListener("drop", (event) => {
  event.preventDefault();
  over = 0;
  $("drop").hidden = true;
  photos.add([...(event.dataTransfer?.files ?? [])]);
});

// ---- the start

for (const [id, act] of Object.entries({
  on: () => start(), off: () => stop(), pause, mirror, full: fullScreen,
  snapshot: () => saveSnapshot([tile]), boxes: () => toggle("boxes"), labels: () => toggle("labels"),
})) {
  $(id).addEventListener("click", act);
}
$("camera").addEventListener("change", () => start($("camera").value));
$("server").textContent = location.host;
window.addEventListener("pagehide", () => capture.close());
setInterval(showFigures, REFRESH);
showTools();
