// Sends the newest image of the camera to the server and shows the answer. One image is under way at a time: while the
// model works, the images of the camera are skipped, so that nothing waits in a queue and the delay does not grow.
// Gradio provides: element.
const part = (name) => element.querySelector(`[data-part=${name}]`);
const limit = element.querySelector(".camera").dataset; // {maxSeconds, maxDuration} of a camera; the latter in words
const [button, devices, video, result] = ["start", "devices", "video", "result"].map(part);
const square = document.createElement("canvas"); // the image that is sent
const RATE_MS = 3000; // the rates are means of this time
const BUSY_MS = 1000; // until the next try if the server is busy
const FRAME_MS = 500; // longest wait for a new image of the camera

let run = null; // {abort, stream, since} of the running camera
let answers = []; // {at, model, delay} of the last images, in milliseconds

const sleep = (ms) => new Promise((done) => { setTimeout(done, ms); });
const settings = () => document.querySelector("#camera-settings [data-query]")?.dataset;

const say = (text, isError = false) => {
  part("message").textContent = text;
  part("message").classList.toggle("message-error", isError);
};

const cameraProblem = (error) => ({
  NotAllowedError: "The browser did not allow the camera. Allow it beside the address of the page, then start again.",
  NotFoundError: "No camera was found. Connect one, then start again.",
  OverconstrainedError: "The chosen camera is gone. Start again to use another one.",
  NotReadableError: "The camera cannot be read. Another program may use it: close that, then start again.",
}[error.name] ?? `The camera did not start (${error.name}).`);

const openCamera = () => {
  if (!navigator.mediaDevices?.getUserMedia) {
    const url = `http://localhost:${location.port || 80}`;
    throw new Error(`Browsers allow the camera on localhost and over https only. On the server's machine open ${url}.`);
  }
  const chosen = devices.value ? { deviceId: { exact: devices.value } } : { facingMode: { ideal: "environment" } };
  return navigator.mediaDevices.getUserMedia({
    audio: false, video: { ...chosen, height: { ideal: Math.max(480, Number(settings()?.side ?? 0)) } },
  });
};

const listCameras = async (stream) => {
  const cameras = (await navigator.mediaDevices.enumerateDevices()).filter((device) => device.kind === "videoinput");
  const current = stream.getVideoTracks()[0].getSettings().deviceId;
  devices.replaceChildren(...cameras.map((camera, index) => (
    new Option(camera.label || `Camera ${index + 1}`, camera.deviceId, false, camera.deviceId === current)
  )));
  devices.hidden = cameras.length < 2;
};

// Resolves when the camera has a new image. Browsers show none on a hidden page.
const nextImage = () => Promise.race([
  sleep(FRAME_MS),
  new Promise((done) => {
    if (video.requestVideoFrameCallback) video.requestVideoFrameCallback(done); else requestAnimationFrame(done);
  }),
]);

// Returns the middle of the picture as rows of red, green, blue.
const capture = (side) => {
  const length = Math.min(video.videoWidth, video.videoHeight);
  square.width = square.height = side;
  const context = square.getContext("2d", { willReadFrequently: true, colorSpace: "srgb" });
  context.imageSmoothingQuality = "high";
  const left = (video.videoWidth - length) / 2;
  const top = (video.videoHeight - length) / 2;
  context.drawImage(video, left, top, length, length, 0, 0, side, side);
  const rgba = context.getImageData(0, 0, side, side).data;
  const rgb = new Uint8Array(3 * side * side);
  for (let from = 0, to = 0; from < rgba.length; from += 4) {
    rgb[to++] = rgba[from];
    rgb[to++] = rgba[from + 1];
    rgb[to++] = rgba[from + 2];
  }
  return rgb;
};

const problemOf = async (answer) => {
  try {
    return (await answer.json()).error;
  } catch {
    return `The server answered with status ${answer.status}.`;
  }
};

const duration = (answer, name) => {
  const match = new RegExp(`${name};dur=([\\d.]+)`).exec(answer.headers.get("server-timing") ?? "");
  return match ? Number(match[1]) : 0;
};

const perSecond = (rate) => `${rate < 10 ? rate.toFixed(1) : Math.round(rate)} images a second`;
const milliseconds = (ms) => (ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`);
const mean = (name) => answers.reduce((sum, answer) => sum + answer[name], 0) / answers.length;

const showRates = () => {
  const newest = answers.at(-1);
  while (answers.length > 2 && newest.at - answers[0].at > RATE_MS) answers.shift();
  const reached = 1000 * (answers.length - 1) / (newest.at - answers[0].at);
  part("reached").textContent = answers.length > 1 ? perSecond(reached) : "…";
  part("model").textContent = `${milliseconds(mean("model"))}, ${perSecond(1000 / mean("model"))}`;
  part("delay").textContent = milliseconds(mean("delay"));
  part("rates").hidden = false;
};

const show = async (answer, captured, label) => {
  const bitmap = await createImageBitmap(await answer.blob());
  if (result.width !== bitmap.width) result.width = result.height = bitmap.width;
  result.getContext("2d").drawImage(bitmap, 0, 0);
  bitmap.close();
  part("label").textContent = label;
  const now = performance.now();
  answers.push({ at: now, model: duration(answer, "network"), delay: now - captured });
  showRates();
  say("");
};

const translateImages = async (own) => {
  let query = null;
  let fresh = nextImage();
  while (own === run) {
    await fresh;
    const current = settings();
    if (own !== run || !video.videoWidth || !current) { fresh = nextImage(); continue; }
    if (current.query !== query) {
      [query, answers] = [current.query, []];
      say("Waiting for the model …");
    }
    const captured = performance.now();
    const pixels = capture(Number(current.side));
    fresh = nextImage();
    const answer = await fetch(`camera?${query}`, { method: "POST", body: pixels, signal: own.abort.signal });
    if (answer.ok) {
      await show(answer, captured, current.label);
    } else if (answer.status === 503) {
      say("The server is busy with other jobs. The camera goes on when they are done.");
      await sleep(BUSY_MS);
    } else if (own === run) {
      stop(await problemOf(answer));
    }
  }
};

const stop = (text = "") => {
  const stopped = run;
  run = null;
  stopped?.abort.abort();
  stopped?.stream?.getTracks().forEach((track) => track.stop());
  video.srcObject = null;
  button.textContent = "Start the camera";
  say(text, Boolean(text));
};

const start = async () => {
  if (!settings()) { say("Choose a model first.", true); return; }
  const own = { abort: new AbortController(), stream: null, since: performance.now() };
  run = own;
  button.textContent = "Stop the camera";
  say("Waiting for the camera …");
  try {
    const stream = await openCamera();
    if (own !== run) { stream.getTracks().forEach((track) => track.stop()); return; }
    own.stream = stream;
    stream.getVideoTracks()[0].addEventListener("ended", () => {
      if (own === run) stop("The camera was disconnected.");
    });
    video.srcObject = stream;
    await video.play();
    await listCameras(stream);
  } catch (error) {
    if (own !== run) return;
    if (error.name === "OverconstrainedError") devices.replaceChildren();
    stop(error instanceof DOMException || error.name === "OverconstrainedError" ? cameraProblem(error) : error.message);
    return;
  }
  try {
    await translateImages(own);
  } catch (error) {
    if (own === run) stop(error instanceof TypeError ? "The server does not answer." : `${error}`);
  }
};

// Ends a camera that nobody looks at.
const watchdog = () => {
  if (!run) return;
  if (document.hidden || !element.isConnected || !element.getClientRects().length) {
    stop("The camera stopped because you left its tab. Start it to go on.");
  } else if (performance.now() - run.since > 1000 * limit.maxSeconds) {
    stop(`The camera stopped after ${limit.maxDuration}, the limit of this server. Start it to go on.`);
  }
};

button.addEventListener("click", () => { if (run) stop(); else start(); });
devices.addEventListener("change", () => { if (run) { stop(); start(); } });
document.addEventListener("visibilitychange", watchdog);
setInterval(watchdog, 500);
