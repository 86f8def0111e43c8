"""The page in an overview zip, which shows the two scripts beside it without any server; pure."""

from __future__ import annotations

from typing import Final

PAGE: Final = b"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Test session</title>
<style>
body { font: 16px/1.4 sans-serif; margin: 1.5em; color: #1b1b1b; background: #fff }
table { border-collapse: collapse; margin: 1em 0 }
th, td { border: 1px solid #bbb; padding: .3em .6em; text-align: left }
th { background: #eee }
td.number { text-align: right }
</style>
</head>
<body>
<h1>Test session</h1>
<table id="details"></table>
<h2>Results</h2>
<table id="results"></table>
<script src="details.json.js"></script>
<script src="results.json.js"></script>
<script>
(function () {
  var COUNTS = ["pass", "fail", "timeout", "not_run", "complete", "total"];
  function row(table, cells, tag) {
    var line = document.createElement("tr");
    for (var i = 0; i < cells.length; i++) {
      var cell = document.createElement(tag || "td");
      cell.appendChild(document.createTextNode(String(cells[i])));
      if (typeof cells[i] === "number") { cell.className = "number"; }
      line.appendChild(cell);
    }
    table.appendChild(line);
  }
  function shown(value) {
    if (value === null || value === undefined) { return "-"; }
    return typeof value === "object" ? JSON.stringify(value) : value;
  }
  var about = document.getElementById("details");
  var known = [
    ["Session", details.token], ["Status", details.status], ["Labels", details.labels.join(", ")],
    ["Browser", details.browser.name + " " + details.browser.version],
    ["User agent", details.user_agent], ["Created", details.date_created],
    ["Started", details.date_started], ["Finished", details.date_finished],
    ["Included", details.tests.include.join(", ")], ["Excluded", details.tests.exclude.join(", ")],
    ["Types", details.types.join(", ")], ["Time-outs in ms", details.timeouts],
    ["Malfunctioning", details.malfunctioning_tests.join(", ")]
  ];
  for (var i = 0; i < known.length; i++) { row(about, [known[i][0], shown(known[i][1])]); }
  var table = document.getElementById("results");
  var sums = {};
  row(table, ["API"].concat(COUNTS), "th");
  for (var api in results) {
    if (!Object.prototype.hasOwnProperty.call(results, api)) { continue; }
    var cells = [api];
    for (var n = 0; n < COUNTS.length; n++) {
      var count = results[api][COUNTS[n]];
      sums[COUNTS[n]] = (sums[COUNTS[n]] || 0) + count;
      cells.push(count);
    }
    row(table, cells);
  }
  var last = ["All"];
  for (var k = 0; k < COUNTS.length; k++) { last.push(sums[COUNTS[k]] || 0); }
  row(table, last, "th");
}());
</script>
</body>
</html>
"""
