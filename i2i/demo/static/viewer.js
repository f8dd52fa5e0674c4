// Before and after at full size: a slider moves the line within the visible part, dragging moves the image.
// Gradio provides: element, watch.
const setUp = () => {
  const view = element.querySelector(".window");
  const slider = element.querySelector("input[type=range]");
  if (!view || view.dataset.ready) return;
  view.dataset.ready = "yes";
  const stack = view.querySelector(".stack");

  const moveLine = () => {
    const visible = Math.min(view.clientWidth, stack.clientWidth);
    const x = view.scrollLeft + visible * slider.value / 100;
    stack.style.setProperty("--split", `${x}px`);
  };
  slider.addEventListener("input", moveLine);
  view.addEventListener("scroll", moveLine);
  new ResizeObserver(moveLine).observe(view);

  let grip = null; // where the image was gripped
  view.addEventListener("pointerdown", (event) => {
    if (event.pointerType === "touch") return; // the browser scrolls by itself
    grip = { x: event.clientX + view.scrollLeft, y: event.clientY + view.scrollTop };
    view.setPointerCapture(event.pointerId);
  });
  view.addEventListener("pointermove", (event) => {
    if (grip) view.scrollTo(grip.x - event.clientX, grip.y - event.clientY);
  });
  view.addEventListener("pointerup", () => { grip = null; });

  view.scrollTo((stack.clientWidth - view.clientWidth) / 2, (stack.clientHeight - view.clientHeight) / 2);
  moveLine();
};

watch("value", () => setTimeout(setUp));
setUp();
