// ---- text --------------------------------------------------------------------------------------------------------
const dot = (colour) => `<i class="dot" style="background:${colour}"></i>`;
const link = (i) => `<a class="vote" data-vote="${i}">vote ${i + 1}</a>`;
const way = (i) => chain(i).map(link).join(" → ");
const joint = (k) => esc(D.joints[k].replaceAll("_", " "));
const plural = (n, noun) => `${n} ${noun}${n === 1 ? "" : "s"}`;
const bar = (share) => `<td class="bar"><i style="width:${100 * share}%"></i></td>`;
const line = (weak, cells) => `<tr class="${weak ? "weak" : ""}">${cells.join("")}</tr>`;
const cell = (text) => `<td>${text}</td>`;
const facts = (rows) => `<dl>${rows.map(([name, text]) => `<dt>${name}</dt><dd>${text}</dd>`).join("")}</dl>`;
function outcome(i) {
  const g = groups.find((x) => x.leader === leads[i]);
  return esc(g.outcome || `a group of ${g.list.length}`);
}

function inspect(first, second) {
  $("inspect").innerHTML = first === null ? overview() : second === null ? oneVote(first) : twoVotes(first, second);
}
function overview() {
  if (COUNT)
    return `<h2>Inspect</h2><p>Hover over a vote (a dot) to see the body it predicts. Click it, then another vote, to see their
      distance, joint by joint, and why they belong to one person or not.</p>`;
  return `<h2>No votes</h2><p>No cell reaches the presence threshold of ${G.presence}. Where the map still glows,
    a lower <code>--presence-threshold</code> would let cells vote; where it is dark, the network finds no one.</p>`;
}

function oneVote(i) {
  const vote = V[i];
  const near = V.map((_, j) => j).filter((j) => j !== i && apart(i, j) < threshold);
  const outside = near.filter((j) => leads[j] !== leads[i]).length;
  const own = vote.pose.map(([x, y]) => Math.hypot(x - vote.cell[0], y - vote.cell[1]));
  const k = own.indexOf(Math.min(...own));
  const rows = D.joints.map((_, j) => {
    const sure = vote.sure[j];
    return line(sure < 0.4, [cell(joint(j)), cell(`±${fixed(vote.scales[j], 1)} px`), bar(sure), cell(fixed(sure))]);
  });
  const details = [
    ["for", outcome(i)],
    ["cell", `${joint(k)}, ${fixed(own[k], 1)} px off · presence ${fixed(vote.presence)}`],
    ["strength", `${fixed(vote.strength)} · body size ${fixed(vote.size, 0)} px`],
    ["agrees with", plural(near.length, "vote") + (outside ? `, ${outside} of them in other groups` : "")],
    ["follows", follows[i] === i ? "itself: no stronger vote agrees with it" : way(i)],
  ];
  return `<div class="name">${dot(colours[i])} vote ${i + 1} of ${COUNT}</div>${facts(details)}
    <table><tr><th>joint</th><th>scale</th><th colspan="2">expected OKS</th></tr>${rows.join("")}</table>
    <p class="soft">${a === null ? "Click to select it." : "Now hover over or click a second vote."}</p>`;
}

function twoVotes(i, j) {
  const together = leads[i] === leads[j];
  const parts = shares(i, j);
  const order = parts.map((_, k) => k).sort((x, y) => parts[y] - parts[x]);
  const scale = (v, k) => cell(`±${fixed(V[v].scales[k], 1)}`);
  const rows = order.map((k) => {
    const cells = [cell(joint(k)), cell(fixed(gap(i, j, k), 1)), scale(i, k), scale(j, k)];
    return line(parts[k] < 0.02, [
      ...cells,
      bar(parts[k] / (parts[order[0]] || 1)),
      cell(`${fixed(100 * parts[k], 0)} %`),
    ]);
  });
  const details = [
    ["A: for", outcome(i)],
    ["follows", way(i)],
    ["B: for", outcome(j)],
    ["follows", way(j)],
  ];
  const name = (letter, v) => `<span class="tag">${letter}</span>${dot(colours[v])}${link(v)}`;
  const verdict = together ? '<span class="chip yes">one group</span>' : '<span class="chip no">not grouped</span>';
  const heads = '<th>joint</th><th>apart, px</th><th>A</th><th>B</th><th colspan="2">share of the distance</th>';
  return `<div class="name">${name("A", i)} ${name("B", j)} ${verdict}</div>${gauge(apart(i, j))}
    <p>${why(i, j, together)}</p>${facts(details)}<table><tr>${heads}</tr>${rows.join("")}</table>`;
}
function brief(i, j) {
  if (i === j) return `${link(i)} and itself`;
  const d = apart(i, j);
  const group = leads[i] === leads[j] ? "one group" : "two groups";
  return `${link(i)} and ${link(j)}: ${fixed(d, 3)}, they ${d < threshold ? "agree" : "do not agree"}; ${group}`;
}
function gauge(d) {
  const most = Math.max(2 * threshold, 1.15 * d);
  const spot = (100 * d) / most;
  const limit = (100 * threshold) / most;
  const side = (p) => (p > 60 ? `right:${100 - p}%` : `left:${p}%`);
  return `<div class="gauge"><div class="track"><i style="width:${limit}%"></i></div><b style="left:${spot}%"></b>
    <span class="at" style="${side(spot)}">distance ${fixed(d, 3)} ${esc(G.unit)}</span>
    <span class="limit" style="${side(limit)}">agree below ${fixed(threshold, 3)}</span></div>`;
}
function why(i, j, together) {
  const agree = apart(i, j) < threshold;
  if (agree && together)
    return "They agree, and their chains of strongest agreeing votes end at the same vote.";
  if (together) return `They do not agree, but votes between them link them: both end at ${link(leads[i])}.`;
  if (agree)
    return `They agree, but are in two groups: each vote follows the <b>strongest</b> vote that it agrees with, and
      these two end at different votes, ${link(leads[i])} and ${link(leads[j])}.`;
  return `They do not agree, and their chains do not meet. They would agree directly at a threshold above ${fixed(apart(i, j), 3)}.`;
}
