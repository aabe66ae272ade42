// The page of the tests: graphology reads a GEXF file, sigma draws it.
import Graph from "graphology";
import { parse } from "graphology-gexf/browser";
import Sigma from "sigma";

window.read = (text) => {
  // It keeps the last declaration of attributes only, so those of dynamic files are undeclared.
  window.graph = parse(Graph, text, { allowUndeclaredAttributes: true });
  const { nodes, edges } = window.graph.export();
  return { multi: window.graph.multi, type: window.graph.type, nodes, edges };
};

let renderer;

window.draw = () =>
  new Promise((resolve) => {
    if (renderer) renderer.kill();
    renderer = new Sigma(window.graph, document.querySelector("#graph"), {
      itemSizesReference: "positions",
      zoomToSizeRatioFunction: (ratio) => ratio,
      renderLabels: false,
      minEdgeThickness: 1.7,
      nodeReducer: (_, { color, size, x, y }) => ({ color, size: size / 2, x, y }),
      edgeReducer: (_, { color }) => ({ color, size: 0.5 }),
    });
    renderer.once("afterRender", () => resolve(renderer.getDimensions()));
    renderer.refresh();
  });
