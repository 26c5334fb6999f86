// Boxes and labels on a canvas, as demo/display/overlay.py draws them on a picture.

const DARK = "#181818", LIGHT = "#fff";
const SHADE = 0.45; // of the colour of the id, behind its number
const SMALLEST_TEXT = 9; // CSS pixels: rather than smaller, a label is shorter
const SAME_SHAPE = 1.01; // ratio of two scales up to which shapes differ only by rounding
const FONT = 'system-ui, "Segoe UI", "Helvetica Neue", Arial, sans-serif';

/** "female 34 ± 9", without the ± if it is not known; "…" while nothing is known. */
export function faceText({ age, age_low: low, age_high: high, male }, spread = true) {
  const words = [];
  if (male !== null) words.push(male >= 0.5 ? "male" : "female");
  if (age !== null) {
    words.push(whole(age));
    if (spread && low !== null && high !== null) {
      words.push(`± ${whole(Math.max(age - low, high - age))}`);
    }
  }
  return words.join(" ") || "…";
}

/** A number without its fraction, as Python rounds it: halves to the even one. */
export function whole(number) {
  const rounded = Math.round(number);
  return String(rounded - number === 0.5 && rounded % 2 ? rounded - 1 : rounded);
}

/** The faces with an id: those that are drawn and listed. */
export function confirmed(faces) {
  return faces.filter((face) => face.id >= 1);
}

/** Where a picture of `width` × `height` lies in a canvas that shows all of it, or all but a pixel
 * where the canvas has the same shape. */
export function fit(canvas, width, height) {
  const scales = [canvas.width / width, canvas.height / height];
  const [least, most] = [Math.min(...scales), Math.max(...scales)];
  const scale = most < least * SAME_SHAPE ? most : least;
  return {
    scale,
    left: (canvas.width - width * scale) / 2,
    top: (canvas.height - height * scale) / 2,
    width: width * scale,
    height: height * scale,
  };
}

/**
 * Draw the faces of a frame into its `place` (see `fit`) of a canvas.
 * `faces`: records of the JSON log, boxes in pixels of the frame; `colours`: "#rrggbb" by id;
 * `size`: height of the text in pixels of the canvas; `boxes`, `labels`: what to draw.
 */
export function drawFaces(context, { faces, colours }, place, { size, boxes, labels }) {
  const shown = confirmed(faces).map((face) => {
    const [x1, y1, x2, y2] = face.box.map((v, k) => Math.round(v * place.scale + (k % 2 ? place.top : place.left)));
    return { face, colour: colours[face.id], box: [x1, y1, x2, y2] };
  });
  shown.sort((a, b) => b.box[3] - b.box[1] - (a.box[3] - a.box[1])); // large faces get the best places
  if (boxes) {
    for (const { box, colour } of [...shown].reverse()) drawBox(context, box, colour, Math.max(3, Math.round(size / 5)));
  }
  if (!labels) return;
  const taken = [];
  for (const { face, box, colour } of shown) {
    const tag = fittingTag(context, face, size, place.width);
    const [x, y] = freePlace(place, tag, box, taken);
    drawTag(context, tag, x, y, colour);
    taken.push([x, y, x + tag.width, y + tag.height]);
  }
}

/** A thin box with strong corners and a dark edge that shows on any background. */
function drawBox(context, [x1, y1, x2, y2], colour, width) {
  const arm = Math.max(4, Math.min(x2 - x1, y2 - y1) / 4);
  const thin = Math.ceil(width / 2);
  const edge = 2 * Math.ceil(width / 5); // both sides of a line
  context.lineJoin = "miter";
  context.lineCap = "butt";
  for (const [shade, more] of [[DARK, edge], [colour, 0]]) {
    context.strokeStyle = shade;
    context.lineWidth = thin + more;
    context.strokeRect(x1, y1, x2 - x1, y2 - y1);
    context.lineWidth = width + more;
    context.beginPath();
    for (const [x, dx] of [[x1, arm], [x2, -arm]]) {
      for (const [y, dy] of [[y1, arm], [y2, -arm]]) {
        context.moveTo(x + dx, y);
        context.lineTo(x, y);
        context.lineTo(x, y + dy);
      }
    }
    context.stroke();
  }
}

/** The label no wider than its picture: smaller, then without its ±, then with the initial of the
 * gender, then the age alone. No number is ever cut. */
function fittingTag(context, face, size, most) {
  const plain = faceText(face, false);
  const initial = plain.replace(/^(f)emale|^(m)ale/, "$1$2");
  const texts = [faceText(face), plain, initial];
  if (face.age !== null) texts.push(whole(face.age));
  const sizes = [size, Math.max(size * 0.8, Math.min(size, SMALLEST_TEXT))];
  let tag;
  for (const text of texts) {
    for (const height of sizes) {
      tag = measured(context, String(face.id), text, height);
      if (tag.width <= most) return tag;
    }
  }
  return tag;
}

function measured(context, id, text, size) {
  const font = `600 ${size}px ${FONT}`;
  context.font = font;
  const pad = Math.max(3, size / 3);
  const idWidth = Math.ceil(context.measureText(id).width + 2 * pad);
  const width = idWidth + Math.ceil(context.measureText(text).width + 2 * pad);
  return { id, text, font, pad, size, idWidth, width, height: Math.round(size * 1.5) };
}

/** Upper left corner of a label: above its box, else below, beside or inside it, and clear of other
 * labels if possible. */
function freePlace(place, { width, height }, [x1, y1, x2, y2], taken) {
  const [above, below] = [y1 - height - 2, y2 + 3];
  const [left, top, right, bottom] = [place.left, place.top, place.left + place.width, place.top + place.height];
  const options = [
    [x1, above], [x1, below], [x2 - width, above], [x2 - width, below],
    [x2 + 3, y1], [x1 - width - 3, y1], [x1, y1 + 2],
  ];
  const most = Math.max(right - width, left);
  const within = (x) => Math.round(Math.min(Math.max(x, left), most));
  const inside = options
    .filter(([, y]) => y >= top && y <= bottom - height)
    .map(([x, y]) => [within(x), y]);
  if (!inside.length) inside.push([within(x1), Math.round(top)]);
  const free = inside.find(([x, y]) =>
    !taken.some(([l, t, r, b]) => x < r && l < x + width && y < b && t < y + height));
  return free ?? inside[0];
}

function drawTag(context, { id, text, font, pad, size, idWidth, width, height }, x, y, colour) {
  const baseline = y + height / 2 + size * 0.36;
  context.font = font;
  context.textBaseline = "alphabetic";
  context.fillStyle = shaded(colour);
  context.fillRect(x, y, idWidth, height);
  context.fillStyle = colour;
  context.fillRect(x + idWidth, y, width - idWidth, height);
  context.fillStyle = LIGHT;
  context.fillText(id, x + pad, baseline);
  context.fillStyle = DARK;
  context.fillText(text, x + idWidth + pad, baseline);
}

function shaded(colour) {
  const parts = [1, 3, 5].map((k) => Math.round(parseInt(colour.slice(k, k + 2), 16) * SHADE));
  return `rgb(${parts.join(" ")})`;
}
