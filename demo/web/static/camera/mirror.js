// A picture and its faces as in a mirror: the text of labels stays readable.

const canvas = document.createElement("canvas");

/** A picture, mirrored; the canvas is the same each time. */
export function mirroredPicture(picture) {
  const { width, height } = picture;
  if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
  const context = canvas.getContext("2d", { alpha: false });
  context.setTransform(-1, 0, 0, 1, width, 0);
  context.drawImage(picture, 0, 0);
  return canvas;
}

/** The header of an answer, with the boxes where the mirrored picture shows the faces. */
export function mirroredHeader(header) {
  const faces = header.faces.map((face) => {
    const [x1, y1, x2, y2] = face.box;
    return { ...face, box: [header.width - x2, y1, header.width - x1, y2] };
  });
  return { ...header, faces };
}
