// Runs a trial of the blind test: a pause, both images for the exposure time, then the question alone.
// Gradio provides: element, trigger, watch.
let openTrial = null; // {trial, since}: the trial that accepts an answer, and when its images appeared
const RETRY_MS = 8000; // without a reply from the server for this long, the trial accepts an answer again

const buttons = () => element.querySelectorAll(".keys button");

const submitAnswer = (side) => {
  if (!openTrial || !openTrial.trial.isConnected) return;
  const { trial, since } = openTrial;
  openTrial = null;
  hideImages(trial);
  buttons().forEach((button) => { button.disabled = true; });
  trial.querySelector(`.half[data-side=${side}]`).classList.add("chosen");
  trigger("submit", { key: trial.dataset.key, side, seconds: (performance.now() - since) / 1000 });
  setTimeout(() => { if (trial.isConnected && !openTrial) acceptAnswer(trial, since); }, RETRY_MS);
};

const hideImages = (trial) => {
  trial.classList.remove("visible");
  trial.style.removeProperty("--pair");
};

const acceptAnswer = (trial, since) => {
  openTrial = { trial, since };
  buttons().forEach((button) => { button.disabled = false; });
};

const runTrial = async () => {
  openTrial = null;
  const trial = element.querySelector(".trial");
  if (!trial) return;
  trial.focus({ preventScroll: true });
  const { image: source, exposure, pause } = trial.dataset;
  trial.removeAttribute("data-image");
  const image = new Image();
  image.src = source;
  const wait = new Promise((done) => setTimeout(done, Number(pause)));
  await Promise.all([image.decode(), wait]);
  if (!trial.isConnected) return;
  trial.style.setProperty("--ratio", `${image.naturalWidth / 2} / ${image.naturalHeight}`);
  trial.style.setProperty("--pair", `url("${source}")`);
  trial.classList.add("visible", "started");
  requestAnimationFrame(() => requestAnimationFrame(() => { // the images have been painted now
    acceptAnswer(trial, performance.now());
    if (exposure) setTimeout(() => hideImages(trial), Number(exposure));
  }));
};

element.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if (button.classList.contains("stop")) { openTrial = null; trigger("stop"); } else submitAnswer(button.dataset.side);
});

const SIDES = { ArrowLeft: "left", f: "left", F: "left", ArrowRight: "right", j: "right", J: "right" };
document.addEventListener("keydown", (event) => {
  const side = SIDES[event.key];
  if (!side || event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
  if (!openTrial || !element.isConnected || !element.getClientRects().length) return;
  if (event.target.closest("input, textarea, select, [role=tab], [role=slider], [contenteditable]")) return;
  event.preventDefault();
  submitAnswer(side);
});

watch("value", runTrial);
runTrial();
