// ---- what is selected --------------------------------------------------------------------------------------------
let a = null,
  b = null,
  hovered = null,
  group = null,
  groupHovered = null,
  glance = null;
function pick(i) {
  if (i === a) [a, b] = [b, null];
  else if (i === b) b = null;
  else if (a === null) a = i;
  else b = i;
  paint();
}
function letGo() {
  a = b = hovered = group = null;
  paint();
}

function paint() {
  look();
  const [first, second] = glance ?? [a ?? hovered, a === null ? null : (b ?? (hovered === a ? null : hovered))];
  const lit = groupHovered ?? group;
  dots.forEach((dot, i) => {
    const near = first !== null && apart(first, i) < threshold;
    dot.setAttribute("fill", colours[i]);
    dot.classList.toggle("picked", i === first || i === second);
    dot.classList.toggle("agrees", near && i !== first);
    dot.classList.toggle(
      "faint",
      first !== null ? !near && i !== first && i !== second : lit !== null && leads[i] !== lit,
    );
  });
  peopleLayer.replaceChildren();
  chainLayer.replaceChildren();
  poseLayer.replaceChildren();
  if ($("people").checked)
    for (const person of D.people.toReversed())
      if (person.shown) {
        const mine = lit === null || groups.find((g) => g.leader === lit)?.person === D.people.indexOf(person);
        skeleton(peopleLayer, person.pose, person.colour, {
          width: 2.5,
          dashed: (j) => !person.seen[j],
          opacity: first !== null || !mine ? 0.16 : 0.9,
        });
        const [x, y] = person.pose.reduce((top, point) => (point[1] < top[1] ? point : top));
        if (first === null && mine) write(peopleLayer, x, y - 8 * unit(), D.people.indexOf(person) + 1);
      }
  if ($("chains").checked)
    V.forEach((_, i) => {
      if (first === null && (lit === null || leads[i] === lit)) arrow(chainLayer, i, follows[i], 1.5);
    });
  for (const i of [first, second])
    if (i !== null) {
      const path = chain(i);
      path.slice(1).forEach((j, step) => arrow(poseLayer, path[step], j, 2.5, "#fff"));
    }
  if (second !== null) {
    between(first, second);
    const colour = colours[first] === colours[second] ? "#fff" : colours[second];
    voted(second, { colour, dashed: true, disc: 0.08 });
    voted(first, { disc: 0.08 });
    write(poseLayer, ...V[second].cell, "B");
    write(poseLayer, ...V[first].cell, "A");
  } else if (first !== null) voted(first);
  if (!glance) inspect(first, second);
  $("pair").innerHTML = glance ? brief(...glance) : "Hover over a field for a pair of votes; click to compare them.";
  $("groups")
    .querySelectorAll("li")
    .forEach((li) => li.classList.toggle("picked", Number(li.dataset.leader) === group));
  drawMatrix(first, second);
}
function between(i, j) {
  const parts = shares(i, j),
    most = Math.max(...parts);
  parts.forEach((share, k) => {
    const [[x1, y1], [x2, y2]] = [V[i].pose[k], V[j].pose[k]];
    make(
      "line",
      {
        x1,
        y1,
        x2,
        y2,
        stroke: "#fff",
        "stroke-width": 1 + 5 * (share / most || 0),
        "stroke-opacity": 0.75,
        "stroke-linecap": "round",
      },
      poseLayer,
    );
  });
}
// each joint's share of the squared distance, which itself comes from grouping.py
function shares(i, j) {
  const weight = (v, k) => (G.rule === "euclidean" ? 1 : 1 / v.scales[k]);
  const parts = D.joints.map((_, k) => weight(V[i], k) * weight(V[j], k) * gap(i, j, k) ** 2);
  const sum = parts.reduce((x, y) => x + y, 0) || 1;
  return parts.map((x) => x / sum);
}
const gap = (i, j, k) => Math.hypot(V[i].pose[k][0] - V[j].pose[k][0], V[i].pose[k][1] - V[j].pose[k][1]);
