# The table of docs/rfc-compliance.md with the results of a run: awk -f test/compliance.awk artifacts/test/*.trx docs/rfc-compliance.md
# A row's last column tells how many of the tests that it names were run and passed; theories count once for each set of data. Ends with 1 if a test failed or was not run.

# What a suite's result file says of its tests.
/<UnitTestResult / {
  name = $0; sub(/.* testName="/, "", name); sub(/[("&].*/, "", name)
  parts = split(name, part, ".")
  test = part[parts - 1] "." part[parts]
  if (/outcome="Passed"/) passed[test]++; else failed[test]++
  next
}

FILENAME !~ /\.md$/ { next }

/^## / { heading = substr($0, 4) }

# A row, not a table's head or the line below it.
/^\| / && !/^\| row \|/ && !/^\| ---/ {
  if (heading != "") { printf "\n%s\n", heading; heading = "" }
  line = $0
  gsub(/ \| \| /, " |  | ", line)
  split(line, cell, / \| /)
  row = substr(cell[1], 3); level = cell[2]; state = cell[3]; shown = cell[4]
  sub(/ *\|?$/, "", state); sub(/[:;.,] .*/, "", state)
  good = bad = absent = 0
  while (match(shown, /`[A-Za-z0-9]+Tests\.[A-Za-z0-9_]+`/)) {
    test = substr(shown, RSTART + 1, RLENGTH - 2); shown = substr(shown, RSTART + RLENGTH)
    if (!(test in passed) && !(test in failed)) { absent++; if (!(test in told)) missing = missing "\n  not run: " test; told[test] }
    if (test in failed) { bad += failed[test]; if (!(test in told)) missing = missing "\n  failed: " test; told[test] }
    if (test in passed) good += passed[test]
  }
  result = good + bad + absent == 0 ? "no test" : good " passed" (bad ? ", " bad " FAILED" : "") (absent ? ", " absent " NOT RUN" : "")
  printf "  %-72.72s %-17.17s %-34.34s %s\n", row, level, state, result
  rows++; untrue += bad + absent > 0; empty += result == "no test"
  if (level ~ /MUST/ && state ~ /^(not met|open)/) unmet = unmet "\n  unmet: " row
}

END {
  printf "\n%d rows, %d of them with a test that failed or was not run, %d without a test%s%s\n", rows, untrue, empty, missing, unmet
  exit untrue > 0
}
