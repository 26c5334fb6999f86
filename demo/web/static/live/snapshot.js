// What is seen, at the full resolution of the pictures, as a PNG.

/** Save the pictures of tiles side by side; the name of the file, null without a picture. */
export async function saveSnapshot(tiles) {
  const shown = tiles.filter((tile) => tile.header);
  if (!shown.length) return null;
  const blob = await new Promise((done) => mosaic(shown.map((tile) => tile.snapshot())).toBlob(done));
  const names = shown.map((tile) => tile.source.title.replace(/[^\w.-]+/g, "_")).join("+");
  const link = document.createElement("a");
  link.download = `agestream-${names.slice(0, 60)}-${stamp(new Date())}.png`;
  link.href = URL.createObjectURL(blob);
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  return link.download;
}

/** Pictures as cells of one size; a single one as it is. */
function mosaic(pictures) {
  if (pictures.length === 1) return pictures[0];
  const columns = Math.ceil(Math.sqrt(pictures.length));
  const width = Math.max(...pictures.map((each) => each.width));
  const height = Math.max(...pictures.map((each) => each.height));
  const canvas = document.createElement("canvas");
  canvas.width = width * columns;
  canvas.height = height * Math.ceil(pictures.length / columns);
  const context = canvas.getContext("2d");
  context.fillRect(0, 0, canvas.width, canvas.height);
  pictures.forEach((each, k) => {
    const left = width * (k % columns) + (width - each.width) / 2;
    const top = height * Math.floor(k / columns) + (height - each.height) / 2;
    context.drawImage(each, left, top);
  });
  return canvas;
}

/** "20260131-235959" */
function stamp(date) {
  const two = (number) => String(number).padStart(2, "0");
  const day = `${date.getFullYear()}${two(date.getMonth() + 1)}${two(date.getDate())}`;
  return `${day}-${two(date.getHours())}${two(date.getMinutes())}${two(date.getSeconds())}`;
}
