package spool

// Dir is where a store keeps its spools, and where emitters put them.
const Dir = "spool"
