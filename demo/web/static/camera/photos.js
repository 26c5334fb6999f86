// Photos of the viewer: the server finds the faces, this page shows them.

import { drawFaces, faceText, fit } from "/static/overlay.js";

const MOST_BYTES = 20_000_000; // that the server takes, less what a form adds
const FORM_BYTES = 2000;
const RETRIES = 5; // where the server is busy
const MOST_PIXELS = 2048; // in width, of a photo on this page
const TEXT_SHARE = 1 / 30; // height of the text as a share of the shorter side
const TEXT_RANGE = [12, 24]; // CSS pixels

export class Photos {
  /** `list`: takes the photos, `results`: hidden until there is one, `doing`: takes words. */
  constructor({ list, results, doing }) {
    [this.list, this.results, this.doing] = [list, results, doing];
    this.queue = Promise.resolve();
    this.waiting = 0;
  }

  /** Analyse files, one after the other. */
  add(files) {
    for (const file of files) {
      this.waiting += 1;
      this.queue = this.queue.then(() => this.analyse(file));
    }
  }

  async analyse(file) {
    const more = this.waiting > 1 ? `, ${this.waiting - 1} more to come` : "";
    this.doing.textContent = `looking at ${file.name}${more}…`;
    let [photo, bitmap] = [null, null];
    try {
      photo = await answer(file);
      bitmap = await createImageBitmap(file);
    } catch (error) {
      photo = { error: error.message };
    }
    this.list.prepend(this.card(file.name, photo, bitmap));
    this.results.hidden = false;
    this.waiting -= 1;
    this.doing.textContent = photo.error ?? `${file.name}: ${described(photo.faces)}`;
    if (!this.waiting) this.list.firstChild.scrollIntoView({ block: "nearest" });
  }

  card(name, photo, bitmap) {
    const card = element("li", "card photo");
    const text = element("div");
    text.append(element("p", "name", name));
    if (photo.error) {
      text.append(element("p", "error", photo.error));
    } else {
      card.append(picture(name, photo, bitmap));
      text.append(element("p", "soft", described(photo.faces)));
    }
    const remove = element("button", "", "Remove");
    remove.setAttribute("aria-label", `Remove ${name}`);
    remove.addEventListener("click", () => {
      bitmap?.close();
      card.remove();
      this.results.hidden = !this.list.children.length;
    });
    const caption = element("div", "caption");
    caption.append(text, remove);
    card.append(caption);
    return card;
  }
}

/** The faces of a photo, as the server's record. Throws an Error with words for the viewer. */
async function answer(file) {
  if (file.size > MOST_BYTES - FORM_BYTES) throw new Error(`${file.name} has more than 20 MB: make it smaller`);
  const form = new FormData();
  form.append("photos", file);
  for (let k = 0; ; k++) {
    const response = await fetch("/api/analyze", { method: "POST", body: form }).catch(() => {
      throw new Error("the server does not answer: is it still running?");
    });
    if (response.status !== 503 || k === RETRIES) {
      const { photos, error } = await response.json();
      if (error) throw new Error(error);
      return photos[0];
    }
    const seconds = Number(response.headers.get("Retry-After")) || 1;
    await new Promise((done) => setTimeout(done, seconds * 1000));
  }
}

/** "2 people: female 34 ± 9, male 51 ± 12" */
function described(faces) {
  if (!faces.length) return "no face found";
  const people = faces.length === 1 ? "1 person" : `${faces.length} people`;
  return `${people}: ${faces.map((face) => faceText(face)).join(", ")}`;
}

/** A canvas with the photo, its boxes and labels, drawn at the size that it has on the page. */
function picture(name, photo, bitmap) {
  const canvas = element("canvas");
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `${name}: ${described(photo.faces)}`);
  canvas.dataset.faces = photo.faces.length;
  canvas.style.aspectRatio = `${photo.width} / ${photo.height}`;
  new ResizeObserver(() => {
    const width = Math.round(Math.min(canvas.clientWidth * window.devicePixelRatio, MOST_PIXELS));
    if (!width || width === canvas.width) return;
    canvas.width = width;
    canvas.height = Math.max(1, Math.round((width * photo.height) / photo.width));
    draw(canvas, photo, bitmap);
  }).observe(canvas);
  return canvas;
}

function draw(canvas, photo, bitmap) {
  const context = canvas.getContext("2d", { alpha: false });
  const place = fit(canvas, photo.width, photo.height);
  context.imageSmoothingQuality = "high";
  context.fillStyle = "#fff"; // under transparent parts, as the server takes them
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(bitmap, place.left, place.top, place.width, place.height);
  const ratio = canvas.width / canvas.clientWidth;
  const [least, most] = TEXT_RANGE.map((size) => size * ratio);
  const size = Math.min(Math.max(Math.min(place.width, place.height) * TEXT_SHARE, least), most);
  drawFaces(context, photo, place, { size, boxes: true, labels: true });
}

function element(tag, className = "", text = "") {
  return Object.assign(document.createElement(tag), { className, textContent: text });
}
