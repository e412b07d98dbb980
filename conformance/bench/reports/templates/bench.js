// Switches what the bars show, and filters servers and scenarios. Without it the page shows every figure.
"use strict";
const bar = document.querySelector(".filters");
const main = document.querySelector("main");
const scenarios = Array.from(document.querySelectorAll(".scenario"));

function apply() {
  const words = bar.querySelector("input").value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const one of scenarios) one.hidden = !words.every((word) => one.dataset.text.toLowerCase().includes(word));
  for (const section of main.querySelectorAll("section")) section.hidden = !section.querySelector(".scenario:not([hidden])");
  const off = new Set();
  for (const chip of bar.querySelectorAll(".chip[aria-pressed=false]")) off.add(chip.dataset.server);
  for (const row of document.querySelectorAll(".row, tr[data-server]")) row.hidden = off.has(row.dataset.server);
  const shown = scenarios.filter((one) => !one.hidden).length;
  bar.querySelector("output").textContent = shown === scenarios.length ? "" : shown + " of " + scenarios.length;
}

bar.hidden = false;
bar.addEventListener("input", apply);
bar.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if (button.dataset.view) {
    main.dataset.view = button.dataset.view;
    for (const other of bar.querySelectorAll("[data-view]")) other.setAttribute("aria-pressed", String(other === button));
  } else {
    button.setAttribute("aria-pressed", String(button.getAttribute("aria-pressed") !== "true"));
  }
  apply();
});
// A browser keeps what was typed when the page is loaded again.
apply();
