// The file the browser gets under this name is made by page.ts from uPlot's own build.
export { default as uPlot } from "uplot";
