// ---- groups and agreement ----------------------------------------------------------------------------------------
function listGroups() {
  const rows = groups.map((g) => {
    const name = g.outcome || (D.people[g.person]?.shown ? `where person ${g.person + 1} was` : "no person kept");
    const votes = plural(g.list.length, "vote");
    return `<li tabindex="0" data-leader="${g.leader}" class="${g.shown ? "" : "out"}">${dot(colours[g.leader])}
      <span>${esc(name)}</span><span class="soft">${votes}</span></li>`;
  });
  $("groups").innerHTML = rows.join("") || '<li class="out"><span></span><span>none</span></li>';
  $("agreement").hidden = !COUNT;
}

const canvas = $("matrix");
const ground = document.createElement("canvas"); // one pixel for every pair of votes; redrawn only when it changes
let order = [];
let drawnFor = "";
function tints() {
  const dark = document.documentElement.dataset.theme === "dark";
  return dark ? [[38, 43, 51], [79, 209, 184], "#fff"] : [[233, 230, 222], [11, 110, 95], "#000"];
}
function shade(d) {
  const [plain, ink] = tints();
  const t = d < threshold ? 1 - 0.55 * (d / threshold) : 0.3 * Math.exp(1 - d / threshold);
  return plain.map((p, c) => Math.round(p + (ink[c] - p) * t));
}
function drawGround() {
  order = groups.flatMap((g) => g.list);
  ground.width = ground.height = COUNT;
  const image = new ImageData(COUNT, COUNT);
  order.forEach((i, row) =>
    order.forEach((j, column) => image.data.set([...shade(apart(i, j)), 255], 4 * (row * COUNT + column))),
  );
  ground.getContext("2d").putImageData(image, 0, 0);
  const stops = [0, 0.5, 0.999, 1.001, 1.5, 2.5].map((t) => `rgb(${shade(t * threshold)}) ${t * 40}%`);
  document.querySelector(".ramp").style.background = `linear-gradient(90deg, ${stops})`;
}
function drawMatrix(first, second) {
  if (!COUNT) return;
  const wanted = `${threshold} ${document.documentElement.dataset.theme}`;
  if (drawnFor !== wanted) drawGround();
  drawnFor = wanted;
  const scale = Math.max(1, Math.floor(740 / COUNT));
  const side = COUNT * scale;
  if (canvas.width !== side) canvas.width = canvas.height = side;
  const pen = canvas.getContext("2d");
  pen.imageSmoothingEnabled = false;
  pen.drawImage(ground, 0, 0, side, side);
  pen.lineWidth = Math.max(3, scale / 3);
  let start = 0;
  for (const g of groups) {
    const length = g.list.length * scale;
    pen.strokeStyle = colours[g.leader];
    pen.strokeRect(start + 1.5, start + 1.5, length - 3, length - 3);
    start += length;
  }
  pen.strokeStyle = tints()[2];
  pen.lineWidth = 2;
  if (first !== null) pen.strokeRect(0, order.indexOf(first) * scale, side, scale);
  if (second !== null) pen.strokeRect(order.indexOf(second) * scale, 0, scale, side);
}
function pairAt(event) {
  const box = canvas.getBoundingClientRect(),
    place = (v, from, length) => Math.min(COUNT - 1, Math.max(0, Math.floor(((v - from) / length) * COUNT)));
  return [order[place(event.clientY, box.top, box.height)], order[place(event.clientX, box.left, box.width)]];
}
function setThreshold(value) {
  // snaps to the threshold in use
  threshold = Math.abs(value - G.threshold) < 0.004 * G.threshold ? G.threshold : value;
  regroup();
  listGroups();
  $("chosen").textContent = fixed(threshold, 3);
  $("limit").textContent = `agree below ${fixed(threshold, 3)} ${G.unit}`;
  $("threshold").value = threshold;
  const same = threshold === G.threshold;
  $("what-if").hidden = same;
  $("what-if").innerHTML = same
    ? ""
    : `What if: ${plural(groups.length, "group")} at ${fixed(threshold, 3)}, ${D.groups.length} at
    ${fixed(G.threshold, 3)}, the threshold in use. <button id="back">back</button>`;
  if (!groups.some((g) => g.leader === group)) group = null;
  paint();
}

// ---- why a cell did not vote -------------------------------------------------------------------------------------
function tell(point) {
  const column = Math.floor(point.x / CW),
    row = Math.floor(point.y / CH);
  if (point.x < 0 || point.y < 0 || point.x >= W || point.y >= H || column >= COLUMNS || row >= ROWS) return "\u00a0";
  const value = presence[row * COLUMNS + column];
  return `cell (${column}, ${row}) · presence ${fixed(value, 3)} · ${reason(column, row, value)}`;
}
function reason(column, row, value) {
  if (V.some((v) => Math.floor(v.cell[0] / CW) === column && Math.floor(v.cell[1] / CH) === row)) return "it votes";
  if (value < G.presence) return `no vote: below the presence threshold of ${G.presence}`;
  if (G.peaks)
    for (let y = Math.max(0, row - 1); y <= Math.min(ROWS - 1, row + 1); y++)
      for (let x = Math.max(0, column - 1); x <= Math.min(COLUMNS - 1, column + 1); x++)
        if (presence[y * COLUMNS + x] > value) return "no vote: a neighbour has higher presence";
  if (G.focus && V.length < G.candidates)
    return "no vote: outside the focus, where only the coarser levels vote, or its pose reaches the edge of the focus";
  return "no vote: the limit of votes was reached by cells of higher presence";
}
