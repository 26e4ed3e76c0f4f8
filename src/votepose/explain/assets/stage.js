// ---- the stage ---------------------------------------------------------------------------------------------------
const svg = $("stage");
const make = (name, attributes = {}, parent = svg) => {
  const node = parent.appendChild(document.createElementNS("http://www.w3.org/2000/svg", name));
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  return node;
};
const [CW, CH] = D.map.cell,
  [COLUMNS, ROWS] = D.map.size;
const picture = make("image", { href: D.picture, width: W, height: H, preserveAspectRatio: "none" });
make("rect", { width: W, height: H }, make("clipPath", { id: "frame" }));
const heat = make("image", {
  href: D.map.heat,
  width: COLUMNS * CW,
  height: ROWS * CH,
  preserveAspectRatio: "none",
  "clip-path": "url(#frame)",
  style: "image-rendering: pixelated; pointer-events: none",
});
const layer = (name) => make("g", { class: name });
const peopleLayer = layer("through"),
  chainLayer = layer("through"),
  dotLayer = layer("votes"),
  poseLayer = layer("through");
const dots = V.map((vote, i) => make("circle", { cx: vote.cell[0], cy: vote.cell[1], "data-vote": i }, dotLayer));
dots.toReversed().forEach((dot) => dotLayer.append(dot)); // the strongest on top

let view = { x: 0, y: 0, w: W, h: H };
function look() {
  svg.setAttribute("viewBox", `${view.x} ${view.y} ${view.w} ${view.h}`);
  const pixel = unit();
  dots.forEach((dot, i) =>
    dot.setAttribute("r", pixel * (3.5 + 3.5 * V[i].presence) * Math.min(2, Math.sqrt(W / view.w))),
  );
}
// how many of the image's pixels one on the screen is
const unit = () => Math.max(view.w / (svg.clientWidth || 800), view.h / (svg.clientHeight || 600));
function zoom(factor, x = view.x + view.w / 2, y = view.y + view.h / 2) {
  const f = Math.min(Math.max(factor, 1 / 40 / (view.w / W)), (1.6 * W) / view.w);
  view = { x: x - (x - view.x) * f, y: y - (y - view.y) * f, w: view.w * f, h: view.h * f };
  paint();
}
const at = (event) => new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());

function skeleton(parent, pose, colour, { width = 3, dashed = () => false, opacity = 1 } = {}) {
  const group = make("g", { opacity }, parent);
  for (const under of [true, false])
    for (const [a, b] of D.links) {
      const [x1, y1] = pose[a],
        [x2, y2] = pose[b];
      const line = { x1, y1, x2, y2, "stroke-linecap": "round", stroke: under ? "#000" : colour };
      Object.assign(line, { "stroke-width": under ? width + 2.5 : width, "stroke-opacity": under ? 0.4 : 1 });
      if (!under && (dashed(a) || dashed(b))) line["stroke-dasharray"] = `${2 * width} ${2 * width}`;
      make("line", line, group);
    }
  return group;
}
function voted(i, { colour = colours[i], dashed = false, disc = 0.22 } = {}) {
  const vote = V[i];
  const group = skeleton(poseLayer, vote.pose, colour, { dashed: () => dashed, width: 3.5 });
  vote.pose.forEach(([cx, cy], j) => {
    const edge = { fill: colour, "fill-opacity": disc, stroke: colour, "stroke-opacity": 0.9 };
    make("circle", { cx, cy, r: vote.scales[j], ...edge }, group);
    make("circle", { cx, cy, r: 2.4 * unit(), fill: "#fff", stroke: "#000", "stroke-opacity": 0.6 }, group);
  });
  const [cx, cy] = vote.cell;
  make("circle", { cx, cy, r: 9 * unit(), fill: "none", stroke: "#fff", "stroke-width": 2.5 }, group);
}
function write(parent, x, y, text) {
  const size = 14 * unit();
  make(
    "text",
    { x: x + 11 * unit(), y: y - 9 * unit(), style: `font-size:${size}px;stroke-width:${size / 4}px` },
    parent,
  ).textContent = text;
}
function arrow(parent, i, j, width, colour = colours[i]) {
  if (i === j) return;
  const [x1, y1] = V[i].cell,
    [x2, y2] = V[j].cell;
  make("line", { x1, y1, x2, y2, stroke: "#000", "stroke-opacity": 0.45, "stroke-width": width + 2 }, parent);
  make("line", { x1, y1, x2, y2, stroke: colour, "stroke-width": width, "stroke-linecap": "round" }, parent);
  const [mx, my] = [x1 + 0.6 * (x2 - x1), y1 + 0.6 * (y2 - y1)],
    angle = Math.atan2(y2 - y1, x2 - x1),
    s = (2.2 * width + 3) * unit();
  const corner = (turn) => `${mx + s * Math.cos(angle + turn)},${my + s * Math.sin(angle + turn)}`;
  make(
    "polygon",
    {
      points: [corner(0), corner(2.5), corner(-2.5)].join(" "),
      fill: colour,
      stroke: "#000",
      "stroke-opacity": 0.4,
      "stroke-width": 0.6 * unit(),
    },
    parent,
  );
}
