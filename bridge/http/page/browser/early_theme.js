// Runs before the first paint, so that a stored theme does not flash the other one first. See theme.js.
try {
  const theme = localStorage.getItem("kennel-theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // No storage: the system's choice holds.
}
