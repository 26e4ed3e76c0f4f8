"use strict";
const D = JSON.parse(document.getElementById("data").textContent);
const [W, H] = D.size;
const V = D.votes;
const COUNT = V.length;
const G = D.grouping;
const $ = (id) => document.getElementById(id);
const floats = (text) => new Float32Array(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);
const presence = floats(D.map.values);
const distances = floats(D.distances);
const apart = (a, b) => distances[a * COUNT + b];
const esc = (text) => String(text).replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
const fixed = (x, digits = 2) => (Number.isFinite(x) ? x.toFixed(digits) : "–");
const GREY = "#9aa0a8";

// ---- groups: those in force, or those of another threshold -------------------------------------------------------
let threshold = G.threshold;
let follows, leads, groups, colours;

// Votes come strongest first, so the strongest that a vote agrees with is the first. Mirrors grouping.py.
function regroup() {
  const inForce = threshold === G.threshold;
  follows = V.map((vote, i) => (inForce ? vote.follows : V.findIndex((_, j) => j === i || apart(i, j) < threshold)));
  leads = V.map((vote, i) => (inForce ? vote.leads : chain(i).at(-1)));
  const members = new Map();
  leads.forEach((lead, i) => members.set(lead, [...(members.get(lead) || []), i]));
  const known = new Map(D.groups.map((g) => [g.leader, g]));
  groups = [...members].map(([leader, list]) => {
    const { person, outcome } = (inForce && known.get(leader)) || { person: V[leader].person, outcome: "" };
    return { leader, list, person, outcome, shown: !inForce || Boolean(D.people[person]?.shown) };
  });
  groups.sort((x, y) => y.list.length - x.list.length || x.leader - y.leader);
  const worn = dress();
  colours = leads.map((lead) => worn.get(lead));
}
// A group has its person's colour; of several groups of one person, the strongest; the others get free colours.
function dress() {
  const taken = new Set();
  const worn = new Map();
  for (const g of [...groups].sort((x, y) => x.leader - y.leader)) {
    const person = D.people[g.person];
    const free = D.palette.find((c) => ![...worn.values()].includes(c)) || D.palette[worn.size % D.palette.length];
    if (!g.shown) worn.set(g.leader, GREY);
    else if (person?.shown && !taken.has(g.person)) worn.set(g.leader, person.colour);
    else worn.set(g.leader, g.list.length > 1 ? free : GREY);
    taken.add(g.person);
  }
  return worn;
}
function chain(i) {
  const path = [i];
  while (follows[path.at(-1)] !== path.at(-1)) path.push(follows[path.at(-1)]);
  return path;
}
