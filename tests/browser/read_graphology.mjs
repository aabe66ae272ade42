// Reads JSON of graphology: of each path on a line of the input, what graphology has read on one.
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import Graph from "graphology";

// JSON has no sign of zero on the way back.
const signed = (key, value) => (key === "weight" && Object.is(value, -0) ? "-0.0" : value);

for await (const path of createInterface({ input: process.stdin })) {
  const graph = Graph.from(JSON.parse(readFileSync(path, "utf8")));
  const { attributes, nodes, edges } = graph.export();
  const { multi, type } = graph;
  console.log(JSON.stringify({ multi, type, attributes, nodes, edges }, signed));
}
