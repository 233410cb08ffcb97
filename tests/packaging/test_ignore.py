"""Ignore rules, held against git's own reading of the same patterns."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from azext_mlfunc.packaging.ignore import load_rules

FILES = (
    "a.py",
    "a.txt",
    "b.log",
    "keep.log",
    "build/x.o",
    "build/keep/y.o",
    "src/build/z.o",
    "src/a.py",
    "src/deep/er/a.txt",
    "docs/index.md",
    "docs/img/p.png",
    "foo/bar/baz/q.txt",
    "foo/q.txt",
    "[x].txt",
    "#note",
    "!bang",
    "space ",
    "a1.dat",
    "a2.dat",
    "ab.dat",
    "a-b.dat",
    "ünïcode.txt",
)
PATTERNS = (
    "*.log\n!keep.log\n",
    "build/\n",
    "/build/\n",
    "/build\n!/build/keep\n",
    "docs/*\n!docs/img\n",
    "**/a.txt\n",
    "foo/**\n",
    "foo/**/q.txt\n",
    "src/**/*.txt\n",
    "*.txt\n!*.txt\n",
    "# comment\n\\#note\n\\!bang\n",
    "space\\ \n",
    "space \n",
    "a[0-9].dat\n",
    "a[!0-9].dat\n",
    "a[^0-9].dat\n",
    "a?.dat\n",
    "a[-b]*\n",
    "\\[x\\].txt\n",
    "[[]x].txt\n",
    "deep/er\n",
    "er/\n",
    "src/deep\n",
    "a.*\n!a.py\n/src/a.py\n",
    "[abc\n",
    "[z-a].txt\n",
    "\ufeff*.log\n",
    "**\n!a.py\n",
    "foo*/b*\n",
    "ün*\n",
)


def packed(directory: Path) -> set[str]:
    rules = load_rules(directory)

    def walk(folder: Path, prefix: str):
        for item in folder.iterdir():
            path = prefix + item.name
            if not rules.ignores(path, item.is_dir()):
                yield from walk(item, path + "/") if item.is_dir() else [path]

    return set(walk(directory, ""))


@pytest.mark.parametrize("patterns", PATTERNS)
def test_the_patterns_mean_what_they_mean_to_git(tmp_path, patterns):
    for name in FILES:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    (tmp_path / ".gitignore").write_text(patterns)
    git = ["git", "-c", "core.quotePath=false", "-c", "core.excludesFile="]
    subprocess.run([*git, "init", "-q"], cwd=tmp_path, check=True)
    listed = subprocess.run(
        [*git, "ls-files", "-z", "--others", "--exclude-standard"], cwd=tmp_path, check=True, capture_output=True
    )
    assert packed(tmp_path) == set(listed.stdout.decode().strip("\0").split("\0")) - {".gitignore", ""}


def test_amlignore_wins_over_gitignore(tmp_path):
    (tmp_path / "a").write_text("x")
    (tmp_path / "b").write_text("x")
    (tmp_path / ".gitignore").write_text("a\n")
    assert packed(tmp_path) == {"b"}
    (tmp_path / ".amlignore").write_text("b\n")
    assert packed(tmp_path) == {"a"}


def test_what_nobody_means_to_pack_stays_out_unless_taken_back(tmp_path):
    for name in (".git/HEAD", "__pycache__/a.pyc", "a.pyc", ".venv/x", "venv/x", "node_modules/x", "score.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    assert packed(tmp_path) == {"score.py"}
    (tmp_path / ".amlignore").write_text("!venv/\n")
    assert packed(tmp_path) == {"score.py", "venv/x"}
