"""Settings of the peer of the page bench: Django's own way to a list, without any of our layers.

The same Django, the same database file, table and page size, served by granian as ours is: sessions, log-in and Django's
generic `ListView` with its paginator and a template of one table. What the ratio shows is therefore what rights, the frame of a
page, filters, sorting, languages and headers cost, and nothing else.
`granian --interface wsgi --factory django.core.wsgi:get_wsgi_application` with DJANGO_SETTINGS_MODULE=bench.lib_plain.
"""

from anzhang.settings import *  # noqa: F403  # the same database, sessions and users

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "allauth.account.middleware.AccountMiddleware",  # which the installed log-in asks for
]
AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend", "anzhang.web.adapter.PasswordBackend"]
ROOT_URLCONF = "bench.lib_plain_pages"
TEMPLATE = """<!DOCTYPE html><html><head><title>People</title></head><body>
<table><tr><th>Code<th>Name<th>Kind<th>Unit<th>Post<th>Joined</tr>
{% for row in page_obj %}<tr><td><a href="/{{ row.pk }}/">{{ row.code }}</a></td><td>{{ row.name }}</td><td>{{ row.get_kind_display }}</td>
<td>{{ row.unit.name }}</td><td>{{ row.post }}</td><td>{{ row.joined_on|date:"Y-m-d" }}</td></tr>{% endfor %}</table>
<p>{{ page_obj.number }} / {{ paginator.num_pages }}, {{ paginator.count }}
{% if page_obj.has_next %}<a href="?page={{ page_obj.next_page_number }}">next</a>{% endif %}</p></body></html>"""
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "OPTIONS": {
            "loaders": [
                ("django.template.loaders.cached.Loader", [("django.template.loaders.locmem.Loader", {"people.html": TEMPLATE})]),
            ],
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
            ],
        },
    }
]
