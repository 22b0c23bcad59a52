// The report's script: the player, and what ties the page around it to the player.

import { PagewalkPlayer } from "./element.js";

addEventListener("theme-change", ({ detail }) => {
  document.documentElement.dataset.theme = detail.theme;
});

// A link of the story moves the player through the address; here it is brought into view.
addEventListener("click", ({ target }) => {
  const link = target instanceof Element ? target.closest('a[href^="#step="]') : null;
  const player = document.querySelector("pagewalk-player");
  if (!link || !(player instanceof PagewalkPlayer)) return;
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  player.scrollIntoView({ behavior: calm ? "auto" : "smooth", block: "start" });
});
