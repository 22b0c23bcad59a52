// The comparison's script: two players that stand at the step of the same number.

import { PagewalkPlayer } from "./element.js";

let leader = null;

/** Every player of the page; all of them are ours. */
function players() {
  return [...document.querySelectorAll("pagewalk-player")].filter((one) => one instanceof PagewalkPlayer);
}

// Following is itself a change of step: only the first of them leads.
addEventListener("step-change", ({ target, detail }) => {
  if (leader) return;
  leader = target;
  for (const one of players()) if (one !== target) one.show({ step: detail.step });
  leader = null;
});

addEventListener("theme-change", ({ detail }) => {
  document.documentElement.dataset.theme = detail.theme;
  for (const one of players()) one.setAttribute("theme", detail.theme);
});

addEventListener("click", ({ target }) => {
  const link = target instanceof Element ? target.closest('a[href^="#step="]') : null;
  const [first] = players();
  if (!link || !first) return;
  first.show({ step: link.getAttribute("href").slice("#step=".length) });
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  first.scrollIntoView({ behavior: calm ? "auto" : "smooth", block: "start" });
});
