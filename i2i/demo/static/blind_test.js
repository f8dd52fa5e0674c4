// Plays a trial of the blind test: a pause, both pictures for their time, then nothing but the question.
// In scope: element, trigger, watch.
let open = null; // the trial on show, once it may be answered

const buttons = () => element.querySelectorAll(".keys button");

const answer = (side) => {
  if (!open || !open.trial.isConnected) return;
  const { trial, since } = open;
  open = null;
  conceal(trial);
  buttons().forEach((button) => { button.disabled = true; });
  trial.querySelector(`.half[data-side=${side}]`).classList.add("chosen");
  trigger("submit", { key: trial.dataset.key, side, seconds: (performance.now() - since) / 1000 });
  setTimeout(() => { if (trial.isConnected && !open) ready(trial, since); }, 8000); // no reply: it may be said again
};

const conceal = (trial) => {
  trial.classList.remove("shown");
  trial.style.removeProperty("--pair");
};

const ready = (trial, since) => {
  open = { trial, since };
  buttons().forEach((button) => { button.disabled = false; });
};

const play = async () => {
  open = null;
  const trial = element.querySelector(".trial");
  if (!trial) return;
  trial.focus({ preventScroll: true });
  const { picture, exposure, pause } = trial.dataset;
  trial.removeAttribute("data-picture");
  const image = new Image();
  image.src = picture;
  const wait = new Promise((done) => setTimeout(done, Number(pause)));
  await Promise.all([image.decode(), wait]);
  if (!trial.isConnected) return;
  trial.style.setProperty("--ratio", `${image.naturalWidth / 2} / ${image.naturalHeight}`);
  trial.style.setProperty("--pair", `url("${picture}")`);
  trial.classList.add("shown", "begun");
  requestAnimationFrame(() => requestAnimationFrame(() => { // painted by now
    ready(trial, performance.now());
    if (exposure) setTimeout(() => conceal(trial), Number(exposure));
  }));
};

element.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if (button.classList.contains("stop")) { open = null; trigger("stop"); } else answer(button.dataset.side);
});

const SIDES = { ArrowLeft: "left", f: "left", F: "left", ArrowRight: "right", j: "right", J: "right" };
document.addEventListener("keydown", (event) => {
  const side = SIDES[event.key];
  if (!side || event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
  if (!open || !element.isConnected || !element.getClientRects().length) return;
  if (event.target.closest("input, textarea, select, [role=tab], [role=slider], [contenteditable]")) return;
  event.preventDefault();
  answer(side);
});

watch("value", play);
play();
