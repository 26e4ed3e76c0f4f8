// Poses on a canvas, drawn as by visualization/draw.py: a colour per person, the left side lighter (`model.sides`); a seen
// joint is a disc, an inferred one a ring, and the limbs to it are fainter and dashed.

const INK = [20, 22, 28];
const WHITE = [255, 255, 255];
const LIMB = 0.014; // half the width of a limb, relative to the person's size
const JOINT = 1.55; // radius of a joint, relative to half the width of a limb
const SURE = 0.2; // keypoints of less confidence fade, in proportion

/** Index into the palette for each person: an unused colour, else the one whose nearest user is farthest away. */
export function personColours(people, colours) {
  const centres = people.map(({ box: [x1, y1, x2, y2] }) => [(x1 + x2) / 2, (y1 + y2) / 2]);
  const chosen = [];
  centres.forEach(([x, y]) => {
    const nearest = Array.from({ length: colours }, (_, colour) =>
      Math.min(Infinity, ...chosen.map((c, j) => (c === colour ? Math.hypot(x - centres[j][0], y - centres[j][1]) : Infinity))));
    chosen.push(nearest.indexOf(Math.max(...nearest)));
  });
  return chosen;
}

/** Draw one person. `scale`: canvas pixels per pixel of the image; `size`: [width, height] of the image. */
export function drawPerson(pen, person, colour, model, { scale, size, inferred, faint }) {
  const joints = model.keypoints.map((name) => person.keypoints[name]);
  const points = joints.map(({ x, y }) => [x * scale, y * scale]);
  const radius = limbRadius(person.box, size) * scale;
  const halo = Math.max(0.5, 0.4 * radius);
  const radii = jointRadii(points, model.links, radius);
  const shades = model.sides.map((side) => shade(colour, side));
  const sure = joints.map(({ confidence, seen }) =>
    (seen || inferred ? Math.min(1, confidence / SURE) : 0) * (faint ? 0.25 : 1));
  pen.lineCap = "round";
  for (const [a, b] of model.links) {
    const both = joints[a].seen && joints[b].seen;
    const opacity = Math.min(sure[a], sure[b]) * (both ? 1 : 0.6);
    if (!opacity) continue;
    const tint = model.sides[a] === model.sides[b] ? shades[a] : colour;
    const [start, end] = limb(points, joints, radii, a, b);
    line(pen, start, end, 2 * (radius + halo), rgba(INK, 0.45 * opacity), both ? 0 : 5 * radius);
    line(pen, start, end, 2 * radius, rgba(tint, 0.95 * opacity), both ? 0 : 5 * radius);
  }
  points.forEach((point, k) => {
    if (!sure[k]) return;
    if (joints[k].seen) {
      disc(pen, point, radii[k] + halo, rgba(INK, 0.8 * sure[k]));
      disc(pen, point, radii[k], rgba(shades[k], sure[k]));
    } else {
      ring(pen, point, radii[k], 0.65 * radius + halo, rgba(INK, 0.6 * sure[k]));
      ring(pen, point, radii[k], 0.65 * radius, rgba(shades[k], 0.9 * sure[k]));
    }
  });
}

export function css(colour) {
  return rgba(colour, 1);
}

function limbRadius([x1, y1, x2, y2], size) {
  const person = Math.max(Math.sqrt((x2 - x1) * (y2 - y1)), 0.5 * Math.max(x2 - x1, y2 - y1));
  const longest = Math.max(...size);
  return Math.min(Math.max(LIMB * person, 0.6, 0.0011 * longest), Math.max(1, 0.0055 * longest));
}

function jointRadii(points, links, radius) {
  const radii = points.map(() => JOINT * radius);
  for (const [a, b] of links) {
    const apart = Math.hypot(points[a][0] - points[b][0], points[a][1] - points[b][1]);
    for (const k of [a, b]) radii[k] = Math.min(radii[k], Math.max(0.4 * apart, 0.8 * radius));
  }
  return radii;
}

function limb(points, joints, radii, a, b) {
  const along = [points[b][0] - points[a][0], points[b][1] - points[a][1]];
  const length = Math.max(Math.hypot(...along), 1e-6, 2 * radii[a], 2 * radii[b]);
  const step = (k) => (joints[k].seen ? 0 : radii[k] / length); // the middle of a ring stays empty
  return [
    points[a].map((v, i) => v + along[i] * step(a)),
    points[b].map((v, i) => v - along[i] * step(b)),
  ];
}

function line(pen, start, end, width, style, dash) {
  const length = Math.hypot(end[0] - start[0], end[1] - start[1]);
  const pieces = dash ? 2 * Math.max(1, Math.round(length / (2 * dash))) + 1 : 1; // begins and ends in a dash
  pen.lineCap = dash ? "butt" : "round";
  pen.setLineDash(dash ? [length / pieces] : []);
  pen.lineWidth = width;
  pen.strokeStyle = style;
  pen.beginPath();
  pen.moveTo(...start);
  pen.lineTo(...end);
  pen.stroke();
}

function disc(pen, [x, y], radius, style) {
  pen.fillStyle = style;
  pen.beginPath();
  pen.arc(x, y, radius, 0, 2 * Math.PI);
  pen.fill();
}

function ring(pen, [x, y], radius, width, style) {
  pen.setLineDash([]);
  pen.lineWidth = width;
  pen.strokeStyle = style;
  pen.beginPath();
  pen.arc(x, y, radius, 0, 2 * Math.PI);
  pen.stroke();
}

function shade(colour, side) {
  if (side < 0) return colour.map((v, i) => v + (WHITE[i] - v) * 0.3);
  return side > 0 ? colour.map((v) => v * 0.78) : colour;
}

function rgba(colour, alpha) {
  return `rgb(${colour.map(Math.round).join(" ")} / ${alpha})`;
}
