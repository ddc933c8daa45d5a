"""The commented configuration file, from the rows of src/base/settings.def.

The file says what the defaults are by showing each one commented out; nothing is written twice, so
it cannot disagree with --help. Usage: make-conf.py settings.def > lambent.conf
"""

import re
import sys
import textwrap

ROW = re.compile(
    r'^S\((?P<kind>\w+),\s*(?P<name>\w+),\s*"(?P<default>[^"]*)",\s*(?P<min>-?\d+),\s*(?P<max>-?\d+),'
    r'\s*(?P<reload>[01]),\s*"(?P<arg>[^"]*)",\s*"(?P<help>[^"]*)"\)'
)
HEADING = re.compile(r'^H\("([^"]*)"\)')
# Given on a command line, never in a file: they name the file itself or this one start.
NOT_IN_A_FILE = {"config", "ready_fd"}

print("# Configuration of lambentd. Each line below shows a default; take away the '#' to change it.")
print("# Flags (--data-dir) and environment (LAMBENT_DATA_DIR) win over this file.")
print("# 'systemctl reload lambent' applies the settings marked with *; others need a restart.")
rows = 0
for number, line in enumerate(open(sys.argv[1]), 1):
    line = line.strip()
    if heading := HEADING.match(line):
        print(f"\n# ---- {heading[1]} ----")
    elif row := ROW.match(line):
        rows += 1
        if row["name"] in NOT_IN_A_FILE:
            continue
        star = "* " if row["reload"] == "1" else ""
        print(textwrap.fill(star + row["help"], 98, initial_indent="\n# ", subsequent_indent="#   "))
        print(f"#{row['name']} = {row['default']}")
    elif line.startswith(("S(", "H(")):
        sys.exit(f"{sys.argv[1]}:{number}: cannot read this row: {line}")
if not rows:
    sys.exit(f"{sys.argv[1]}: no settings found")
