// Airflow shows the page in a frame that may not lead its window elsewhere; so Airflow's own window follows the links.
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[href]");
  if (!link || window === window.parent) return;
  event.preventDefault();
  const outside = window.parent.document.createElement("a");
  outside.href = link.href;
  if (new URL(link.href).origin !== window.location.origin || event.ctrlKey || event.metaKey) {
    outside.target = "_blank";
    outside.rel = "noopener";
  }
  outside.click();
});
