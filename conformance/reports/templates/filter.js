// Filters, search and copying. Without it the page simply shows everything.
"use strict";
const bar = document.querySelector(".filters");
const cases = Array.from(document.querySelectorAll(".case"));
const sections = Array.from(document.querySelectorAll("main section"));

function apply() {
  const off = new Set();
  for (const button of bar.querySelectorAll("button[aria-pressed=false]")) off.add(button.dataset.verdict);
  const words = bar.querySelector("input[type=search]").value.toLowerCase().split(/\s+/).filter(Boolean);
  const category = bar.querySelector("select")?.value || "";
  const differing = bar.querySelector("input[type=checkbox]")?.checked || false;
  for (const one of cases) {
    const text = one.dataset.text.toLowerCase();
    one.hidden = (category && one.dataset.category !== category) || (differing && one.dataset.differs !== "yes")
      || off.has(one.closest("section").dataset.verdict) || !words.every((word) => text.includes(word));
  }
  for (const section of sections) section.hidden = !section.querySelector(".case:not([hidden])");
  const shown = cases.filter((one) => !one.hidden).length;
  bar.querySelector("output").textContent = shown === cases.length ? "" : shown + " of " + cases.length;
}

async function copy(button) {
  const text = button.parentElement.querySelector("pre").textContent;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    getSelection().selectAllChildren(button.parentElement.querySelector("pre"));
    document.execCommand("copy");
  }
  button.textContent = "Copied";
  setTimeout(() => { button.textContent = "Copy"; }, 1500);
}

if (bar) {
  bar.hidden = false;
  bar.addEventListener("input", apply);
  for (const button of bar.querySelectorAll("button")) {
    button.addEventListener("click", () => {
      button.setAttribute("aria-pressed", String(button.getAttribute("aria-pressed") !== "true"));
      apply();
    });
  }
  // A browser keeps what was typed when the page is loaded again.
  apply();
}
// On a telephone the tables would stand before what failed for two screens.
const tables = document.querySelector(".tables");
if (tables && matchMedia("(max-width: 32rem)").matches) tables.open = false;
for (const button of document.querySelectorAll(".copy")) {
  button.hidden = false;
  button.addEventListener("click", () => copy(button));
}
