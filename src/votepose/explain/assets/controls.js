// ---- controls ----------------------------------------------------------------------------------------------------
const voteOf = (event) => {
  const text = event.target.closest?.("[data-vote]")?.dataset.vote;
  return text === undefined ? null : Number(text);
};
let held = null;
svg.addEventListener("pointerdown", (event) => {
  held = { x: event.clientX, y: event.clientY, view, moved: false, vote: voteOf(event) };
});
svg.addEventListener("pointermove", (event) => {
  $("readout").textContent = tell(at(event));
  if (held && (held.moved || Math.hypot(event.clientX - held.x, event.clientY - held.y) > 4)) {
    if (!held.moved) svg.setPointerCapture(event.pointerId);
    held.moved = true;
    const pixel = unit();
    view = {
      ...view,
      x: held.view.x - (event.clientX - held.x) * pixel,
      y: held.view.y - (event.clientY - held.y) * pixel,
    };
    svg.classList.add("drags");
    look();
  } else if (!held && voteOf(event) !== hovered) {
    hovered = voteOf(event);
    paint();
  }
});
svg.addEventListener("pointerup", () => {
  if (held && !held.moved) held.vote !== null ? pick(held.vote) : letGo();
  held = null;
  svg.classList.remove("drags");
});
svg.addEventListener("pointerleave", () => {
  if (!held) {
    hovered = null;
    paint();
    $("readout").textContent = "\u00a0";
  }
});
svg.addEventListener(
  "wheel",
  (event) => {
    event.preventDefault();
    const p = at(event);
    zoom(Math.exp(event.deltaY * 0.0015), p.x, p.y);
  },
  { passive: false },
);
svg.addEventListener("keydown", (event) => {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (step && COUNT) {
    hovered = ((hovered ?? (step > 0 ? -1 : 0)) + step + COUNT) % COUNT;
    event.preventDefault();
    paint();
  }
  if (event.key === "Enter" && hovered !== null) pick(hovered);
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") letGo();
});
$("inspect").addEventListener("click", (event) => {
  const i = voteOf(event);
  if (i !== null) {
    [a, b] = [i, null];
    paint();
  }
});
$("groups").addEventListener("pointerover", (event) => {
  groupHovered = leaderOf(event);
  paint();
});
$("groups").addEventListener("pointerleave", () => {
  groupHovered = null;
  paint();
});
const leaderOf = (event) => {
  const text = event.target.closest("li")?.dataset.leader;
  return text === undefined ? null : Number(text);
};
const choose = (event) => {
  const leader = leaderOf(event);
  [a, b] = [null, null];
  group = group === leader ? null : leader;
  paint();
};
$("groups").addEventListener("click", choose);
$("groups").addEventListener("keydown", (event) => {
  if (event.key === "Enter") choose(event);
});
// Hovering must not resize the first card, or the matrix would move away under the pointer.
canvas.addEventListener("pointermove", (event) => {
  glance = pairAt(event);
  paint();
});
canvas.addEventListener("pointerleave", () => {
  glance = null;
  paint();
});
canvas.addEventListener("click", (event) => {
  [a, b] = pairAt(event);
  if (a === b) b = null;
  glance = null;
  paint();
  $("inspect").scrollIntoView({ block: "nearest", behavior: "smooth" });
});
$("picture").addEventListener("input", () => picture.setAttribute("opacity", $("picture").value));
$("presence").addEventListener("input", () => heat.setAttribute("opacity", $("presence").value));
$("votes").addEventListener("input", () => dotLayer.setAttribute("display", $("votes").checked ? "inline" : "none"));
for (const id of ["chains", "people"]) $(id).addEventListener("input", paint);
$("closer").addEventListener("click", () => zoom(1 / 1.4));
$("farther").addEventListener("click", () => zoom(1.4));
$("fit").addEventListener("click", () => {
  view = { x: 0, y: 0, w: W, h: H };
  paint();
});
$("threshold").addEventListener("input", () => setThreshold(Number($("threshold").value)));
$("what-if").addEventListener("click", (event) => {
  if (event.target.id === "back") setThreshold(G.threshold);
});
$("theme").addEventListener("click", () =>
  setTheme(document.documentElement.dataset.theme === "dark" ? "light" : "dark"),
);
function setTheme(name) {
  document.documentElement.dataset.theme = name;
  paint();
}

// ---- begin -------------------------------------------------------------------------------------------------------
$("summary").textContent = D.summary;
svg.style.setProperty("--ratio", `${W} / ${H}`);
$("threshold").max = 4 * G.threshold;
for (const id of ["picture", "presence"]) $(id).dispatchEvent(new Event("input"));
document.documentElement.dataset.theme = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
setThreshold(G.threshold);
new ResizeObserver(paint).observe(svg);
