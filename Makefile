# anzhang: the few things one does.
SHELL := /bin/bash
PYTHON ?= python3.11
VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check -q
ANZHANG_HOME ?= var/demo
export ANZHANG_HOME
ARGS ?=
APT := clamav-daemon rsyslog rsyslog-gnutls rsyslog-openssl rsyslog-relp openssh-server chromium fonts-noto-cjk debootstrap default-jre-headless libpdfbox2-java libcommons-io-java libjaxb-api-java libactivation-java postgresql-15 slapd strace freeradius freeradius-rest freeradius-utils eapoltest
# Debian installs one syslog only, and that is rsyslog: syslog-ng is unpacked into the environment, for the test in which it sends.
SYSLOG_NG := syslog-ng-core libivykis0 libnet1 libpcre3 libjson-c5 libglib2.0-0
APT_PROGRAMS := clamd rsyslogd sshd chromium debootstrap java pg_ctl slapd strace freeradius radclient eapol_test

# The same stories on PostgreSQL: the heart of them in `make test`, all that need no program of their own in `make test-long`.
# Files to one process each, in their order (dear ones are not last); one process more than two cores, as many tests wait for programs.
# Test databases have the tables of the models at once: `init`, `upgrade` and lint try the migrations.
SPREAD := -n 3 --dist loadfile --no-loadscope-reorder --nomigrations
ON_POSTGRES := tests/journal/on_postgres.py tests/journal/test_record.py tests/journal/test_verify.py tests/articles tests/casework/test_appointment.py tests/casework/test_quorum.py \
  tests/casework/test_verbs.py tests/casework/test_stories.py tests/directory/test_scoping.py tests/registers/test_importing.py tests/web/test_cases.py
# Every folder of tests but those that know no database, start whole programs with a database of their own, or (journal) are named by file.
NOT_ON_POSTGRES := catalogs demo documents engines journal monitoring operate regulation security
ALL_ON_POSTGRES := tests/journal/on_postgres.py tests/journal/test_record.py tests/journal/test_verify.py \
  $(filter-out $(NOT_ON_POSTGRES:%=tests/%/),$(dir $(wildcard tests/*/__init__.py)))

.PHONY: help run test test-long lint fix bench migrations lock assets clean
help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

run: $(VENV)/installed ## set up, then run the demo bureau in the foreground (ARGS=--once prints the board and ends)
	@$(PY) -m compileall -q anzhang # compiled sources halve the time a process takes to start
	@exec $(VENV)/bin/anzhang demo $(ARGS)

test: $(VENV)/installed-dev apt $(VENV)/syslog-ng ## the tests, with the real programs they use
	$(PY) -m pytest -m "not long" $(SPREAD) $(ARGS)
	$(PY) -m tests.postgres $(PY) -m pytest -m "not long and not browser" $(SPREAD) $(ON_POSTGRES)

test-long: $(VENV)/installed-dev apt $(VENV)/syslog-ng ## every test, the long ones too
	$(PY) -m pytest $(SPREAD) $(ARGS)
	$(PY) -m tests.postgres $(PY) -m pytest -m "not browser" $(SPREAD) $(ALL_ON_POSTGRES)

lint: $(VENV)/installed-dev ## ruff, mypy, import contracts, missing migrations
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	$(PY) -m django makemigrations --check --dry-run --settings anzhang.settings

fix: $(VENV)/installed-dev ## what ruff can mend
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

bench: $(VENV)/installed-dev apt ## measure beside the named peers
	$(PY) -m bench $(ARGS)

migrations: ## write the migration that the models ask for (NAME=what_it_does); what has been released is never changed
	flock $(VENV)/migrations.lock $(PY) -m django makemigrations anzhang -n $(NAME) --noinput --settings anzhang.settings

assets: $(VENV)/installed ## make the page assets anew
	$(PY) hatch_build.py

lock: ## resolve the dependencies anew
	./lock.sh

clean: ## remove the demo's data
	rm -rf var/demo

# The environment: everything pinned by hash; the package itself editable, its assets made by the build hook.
$(VENV)/bin/python:
	@command -v $(PYTHON) >/dev/null || { echo "make: $(PYTHON) is missing: apt-get install -y python3.11 python3-venv" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: $(VENV)/bin/python requirements.lock requirements-build.lock pyproject.toml hatch_build.py frontend/package-lock.json
	$(PIP) install --require-hashes --no-deps -r requirements.lock -r requirements-build.lock
	$(PIP) install --no-deps --no-build-isolation -e .
	$(VENV)/bin/anzhang vault warm
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed requirements-dev.lock
	$(PIP) install --require-hashes --no-deps -r requirements-dev.lock
	@touch $@

.PHONY: apt
apt:
	@missing=; for program in $(APT_PROGRAMS); do PATH=$$PATH:/usr/sbin:/usr/lib/postgresql/15/bin command -v $$program >/dev/null || missing=yes; done; \
	fc-list :lang=zh 2>/dev/null | grep -q . || missing=yes; \
	[ -f /usr/share/java/preflight.jar ] && [ -f /usr/share/java/jaxb-api.jar ] && [ -f /usr/share/java/javax.activation.jar ] || missing=yes; \
	[ -f /usr/lib/freeradius/rlm_rest.so ] || missing=yes; \
	for module in lmnsd_gtls lmnsd_ossl omrelp; do ls /usr/lib/*/rsyslog/$$module.so >/dev/null 2>&1 || missing=yes; done; \
	[ -z "$$missing" ] && exit 0; \
	if [ "$$(id -u)" = 0 ]; then \
	  apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $(APT); \
	else \
	  echo "make: the tests need: sudo apt-get install -y $(APT)" >&2; exit 2; \
	fi

$(VENV)/syslog-ng: | apt
	@rm -rf $@.new && mkdir -p $@.new/debs
	@cd $@.new/debs && { apt-get download -q $(SYSLOG_NG) || { apt-get update -q && apt-get download -q $(SYSLOG_NG); }; } && for each in *.deb; do dpkg -x $$each ..; done
	@rm -r $@.new/debs && mv $@.new $@
