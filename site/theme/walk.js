// The pages' own script: loads the player where one comes into view, and lets links of the text move it.
//
// Nothing here knows the theme: what a page is replaced by (instant navigation) is found by watching.

const NEAR = "600px 0px";
const root = new URL(".", import.meta.url);
const calm = matchMedia("(prefers-reduced-motion: reduce)");

let code = null;

/** The player's code, asked for once. */
function loaded() {
  code ||= import(new URL("assets/player.js", root).href);
  return code;
}

/** Gives a player its code and its trace; its table is shown if that fails. */
async function wake(player) {
  near.unobserve(player);
  if (player.dataset.src && !player.hasAttribute("src")) player.setAttribute("src", new URL(player.dataset.src, root).href);
  try {
    await loaded();
  } catch {
    player.closest("figure")?.classList.add("pagewalk-failed");
  }
}

const near = new IntersectionObserver((seen) => seen.filter((one) => one.isIntersecting).forEach((one) => wake(one.target)), { rootMargin: NEAR });

function scan() {
  for (const player of document.querySelectorAll("pagewalk-player:not([data-found])")) {
    player.dataset.found = "";
    near.observe(player);
  }
}

/** The player that a link names, as the figure around it or as itself. */
function playerOf(link) {
  const named = document.getElementById(link.dataset.player || link.hash.slice(1));
  return named?.matches("pagewalk-player") ? named : (named?.querySelector("pagewalk-player") ?? null);
}

/** Resolves when the player shows its trace. */
async function ready(player) {
  await wake(player);
  if (player.ready || !customElements.get("pagewalk-player")) return;
  await new Promise((done) => player.addEventListener("trace-ready", done, { once: true }));
}

function asked({ step, request, block }) {
  return { step, request, block: block === undefined ? undefined : Number(block) };
}

const frames = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));

/** Moves the player; the link stays where the reader's eyes are. */
async function follow(link, player) {
  await ready(player);
  if (!link.isConnected || !player.isConnected || !player.ready) return;
  const before = link.getBoundingClientRect().top;
  player.show(asked(link.dataset));
  await frames();
  const moved = link.getBoundingClientRect().top - before;
  if (Math.abs(moved) >= 1) scrollBy({ top: moved, behavior: "instant" });
  current(link, player);
  if (!seen(player)) bring(link, player);
}

/** Whether what a step changes is on the screen: the blocks, or else the other panes. */
function seen(player) {
  const [picture] = [".blocks .stage", ".columns", ".lanes", ".player"]
    .map((name) => player.shadowRoot.querySelector(name))
    .filter((one) => one?.getClientRects().length);
  const { top, bottom } = picture.getBoundingClientRect();
  const header = document.querySelector(".md-header")?.getBoundingClientRect().bottom ?? 0;
  return top >= header && bottom <= innerHeight;
}

/** Marks the link whose step is on show, until the player moves on. */
function current(link, player) {
  for (const one of document.querySelectorAll("a.pagewalk-step[aria-current]")) if (playerOf(one) === player) one.removeAttribute("aria-current");
  link.setAttribute("aria-current", "true");
  player.addEventListener("step-change", () => link.removeAttribute("aria-current"), { once: true });
}

/** A picture off the screen is scrolled to, with a way back to the sentence. */
function bring(link, player) {
  const figure = player.closest("figure") || player;
  const behavior = calm.matches ? "instant" : "smooth";
  figure.querySelector(".pagewalk-back")?.remove();
  const back = document.createElement("button");
  Object.assign(back, { type: "button", className: "pagewalk-back", textContent: "back to the text" });
  back.addEventListener("click", () => {
    back.remove();
    link.scrollIntoView({ behavior, block: "center" });
    link.focus({ preventScroll: true });
  });
  (figure.querySelector("figcaption") || figure).append(back);
  figure.scrollIntoView({ behavior, block: "start" });
}

// In the capture phase, before the theme takes the click for a jump on the page.
addEventListener(
  "click",
  (event) => {
    const link = event.target instanceof Element ? event.target.closest("a.pagewalk-step") : null;
    if (!link || event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    const player = playerOf(link);
    if (!player) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    follow(link, player);
  },
  { capture: true },
);

scan();
new MutationObserver(scan).observe(document.body, { childList: true, subtree: true });
