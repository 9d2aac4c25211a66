"""Compare a wheel with the source folders: exactly their files, no more and no less."""

import sys
from pathlib import Path
from zipfile import ZipFile

FOLDERS = ("cli", "pipeline", "prompts")
ENDINGS = {".py", ".md", ".jsonl", ".toml", ".typed"}

root = Path(__file__).resolve().parent.parent
source = {
    f"prefpipe/{path.relative_to(root).as_posix()}"
    for folder in FOLDERS
    for path in (root / folder).rglob("*")
    if path.suffix in ENDINGS or path.name == "py.typed"
}
with ZipFile(sys.argv[1]) as wheel:
    packed = {name for name in wheel.namelist() if ".dist-info/" not in name}

if source != packed:
    for name in sorted(source - packed):
        print(f"missing from the wheel: {name}")
    for name in sorted(packed - source):
        print(f"only in the wheel: {name}")
    sys.exit(1)
print(f"The wheel holds exactly the {len(source)} files of the folders.")
