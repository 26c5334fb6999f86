// One source: its newest picture on a canvas, with boxes and labels of the same frame.

import { confirmed, drawFaces, fit } from "/static/overlay.js";

const TEXT_SHARE = 1 / 34; // height of the text as a share of the picture's shorter side
const TEXT_RANGE = [11, 26]; // CSS pixels
const LABELLED = 188; // CSS pixels of width from which a picture has room for labels

export class Tile {
  /** `chosen` is called when the viewer clicks the tile or presses Enter on it. */
  constructor(source, chosen) {
    this.source = source;
    this.header = null; // of the picture that is shown
    this.bitmap = null;
    this.options = { boxes: true, labels: true };
    this.element = document.createElement("div");
    this.element.className = "tile";
    this.element.setAttribute("role", "group");
    this.element.setAttribute("aria-label", source.title);
    this.canvas = document.createElement("canvas");
    this.canvas.setAttribute("role", "img");
    this.name = part("name", source.title);
    this.note = part("note", "");
    this.cover = document.createElement("button");
    this.cover.className = "cover";
    this.cover.addEventListener("click", chosen);
    this.element.append(this.canvas, this.name, this.note, this.cover);
    this.context = this.canvas.getContext("2d", { alpha: false });
    this.setNote("connecting…", "busy");
    this.describe();
    observe(this.canvas, (width, height) => this.resize(width, height));
  }

  /** Take a picture; resolves when it is drawn. False where it cannot be decoded. */
  async take(header, picture) {
    let bitmap;
    try {
      bitmap = await createImageBitmap(picture);
    } catch {
      return false;
    }
    this.bitmap?.close();
    [this.header, this.bitmap] = [header, bitmap];
    this.draw();
    this.describe();
    return true;
  }

  /** Show words over the picture, "" for none. `kind`: "busy", something is being waited for, or
   * "calm": the picture is still to be seen. */
  setNote(text, kind = "calm") {
    if (this.noted === text) return;
    this.noted = text;
    this.note.textContent = text;
    this.note.hidden = !text;
    this.note.className = `note ${kind}`;
    this.element.classList.toggle("dim", Boolean(text) && kind === "busy");
  }

  /** Device pixels of the canvas that the picture fills, in width. */
  get pixels() {
    if (!this.header) return this.canvas.width;
    return Math.ceil(fit(this.canvas, this.header.width, this.header.height).width);
  }

  /** Pixels of the canvas per CSS pixel. */
  get ratio() {
    return this.canvas.width / Math.max(this.canvas.clientWidth, 1);
  }

  resize(width, height) {
    if (this.canvas.width === width && this.canvas.height === height) return;
    [this.canvas.width, this.canvas.height] = [width, height];
    this.draw();
    this.resized?.();
  }

  draw() {
    if (!this.bitmap) return;
    const { width, height, frame } = this.header;
    this.element.style.setProperty("--ratio", width / height);
    const place = fit(this.canvas, width, height);
    this.paint(this.context, this.canvas, place, this.ratio);
    this.canvas.dataset.frame = frame;
  }

  /** The picture at its full resolution with what is shown on it; a canvas. */
  snapshot() {
    const { width, height } = this.header;
    const canvas = Object.assign(document.createElement("canvas"), { width, height });
    const scale = width / Math.max(fit(this.canvas, width, height).width, 1);
    this.paint(canvas.getContext("2d"), canvas, fit(canvas, width, height), scale * this.ratio);
    return canvas;
  }

  /** `ratio`: pixels of the canvas per CSS pixel. */
  paint(context, canvas, place, ratio) {
    context.fillStyle = "#000";
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.imageSmoothingQuality = "high";
    context.drawImage(this.bitmap, place.left, place.top, place.width, place.height);
    const wanted = Math.min(place.width, place.height) * TEXT_SHARE;
    const [least, most] = TEXT_RANGE.map((size) => size * ratio);
    const size = Math.min(Math.max(wanted, least), most);
    const labels = this.options.labels && place.width >= LABELLED * ratio;
    drawFaces(context, this.header, place, { size, boxes: this.options.boxes, labels });
  }

  /** Say how many people there are to those who cannot see the picture. */
  describe() {
    const count = this.header ? confirmed(this.header.faces).length : 0;
    const people = count === 1 ? "1 person" : `${count || "no"} people`;
    if (this.said === people) return;
    this.said = people;
    this.canvas.setAttribute("aria-label", `${this.source.title}: ${people} in view`);
  }
}

/** Call `resized` with the size of an element in device pixels, now and when it changes. */
function observe(element, resized) {
  const observer = new ResizeObserver(([{ contentRect, devicePixelContentBoxSize }]) => {
    const [exact] = devicePixelContentBoxSize ?? [];
    const pixels = (length, snapped) => {
      const scaled = length * window.devicePixelRatio;
      return Math.max(Math.abs(snapped - scaled) < 1 ? snapped : Math.round(scaled), 1);
    };
    resized(pixels(contentRect.width, exact?.inlineSize), pixels(contentRect.height, exact?.blockSize));
  });
  try {
    observer.observe(element, { box: "device-pixel-content-box" });
  } catch {
    observer.observe(element); // Safari
  }
}

function part(name, text) {
  const element = document.createElement("div");
  element.className = name;
  element.textContent = text;
  return element;
}
