PY := .venv/bin/python
.PHONY: migrations
migrations: ## while nothing has landed: one fresh initial migration
	flock .venv/migrations.lock sh -c 'rm -f anzhang/migrations/0*.py; $(PY) -m django makemigrations anzhang -n initial --settings anzhang.settings'
