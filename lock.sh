#!/bin/sh
# Resolve the dependencies of pyproject.toml into hashed lock files without any index or file address in them.
set -eu
export CUSTOM_COMPILE_COMMAND=./lock.sh
compile() { .venv/bin/pip-compile -q --generate-hashes --allow-unsafe --no-emit-index-url --no-emit-find-links --no-header --strip-extras --no-annotate "$@"; }
compile -o requirements.lock pyproject.toml
compile --extra build -c requirements.lock -o requirements-build.lock pyproject.toml
compile --extra build --extra dev --extra ldap --extra oidc --extra pg -c requirements-build.lock -o requirements-dev.lock pyproject.toml
# each later file holds only what the earlier ones do not
.venv/bin/python - <<'PY'
from pathlib import Path
import re

def blocks(file: str) -> dict[str, str]:
    text = Path(file).read_text(encoding="utf-8")
    return {re.match(r"[A-Za-z0-9_.-]+", part)[0].lower(): part.rstrip() + "\n" for part in re.split(r"\n(?=\S)", text) if re.match(r"[A-Za-z0-9]", part)}

seen: dict[str, str] = {}
for file in ("requirements.lock", "requirements-build.lock", "requirements-dev.lock"):
    own = {name: block for name, block in blocks(file).items() if seen.get(name) != block}
    Path(file).write_text("".join(own.values()), encoding="utf-8")
    seen |= own
PY
