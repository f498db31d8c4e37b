"""The REST face of the registers: it works, it needs the role, it refuses a stranger, it refuses bad input."""

import json

import pytest
from django.test import Client

from anzhang import permissions
from anzhang.casework import procedures, reconciliation
from anzhang.directory import tokens
from anzhang.directory.models import Person
from anzhang.journal.models import Entry
from anzhang.registers.declaration import REGISTERS
from tests import world

NEW = {"code": "P100", "name": "钱多", "unit": "JYC", "joined_on": "2026-03-01"}


@pytest.fixture
def bearer(bureau, acting, clock):
    """Return a caller with a token of a user: `bearer("liuyang", "read", "write")`."""

    def make(username, *scopes, address="127.0.0.1"):
        _row, text = tokens.issue(
            acting("mali"), name="测试", user=bureau.user[username], unit=None, scopes=scopes, address=address, days=30, at=clock.now
        )
        return Client(headers={"Authorization": f"Bearer {text}"})

    return make


def send(client, method, address, body, **headers):
    data = body if isinstance(body, str | bytes) else json.dumps(body)
    return getattr(client, method)(address, data=data, content_type="application/json", headers=headers)


@pytest.mark.parametrize("register_id", REGISTERS)
def test_every_register_is_listed_and_its_rows_have_addresses(register_id, bearer):
    client = bearer("zhengkai", "read")
    page = client.get(f"/api/registers/{register_id}").json()
    assert page["count"] >= len(page["items"])
    for item in page["items"][:3]:
        assert client.get(f"/api/registers/{register_id}/{item['id']}").json() == item


def test_the_description_says_what_stands(bearer):
    client = bearer("zhengkai", "read")
    paths = client.get("/api/openapi.json").json()["paths"]
    assert {"get", "post"} == set(paths["/api/registers/person"])
    assert {"get"} == set(paths["/api/registers/officer"])
    assert {"get", "put"} == set(paths["/api/registers/person/{pk}"])
    assert client.get("/api/docs").status_code == 200
    assert "//cdn" not in client.get("/api/docs").content.decode()


def test_filters_paging_and_scope_are_those_of_the_page(bearer, bureau):
    head = bearer("liuyang", "read")
    assert [item["code"] for item in head.get("/api/registers/person?sort=-code").json()["items"]] == ["P023", "P022", "P021", "P020"]
    assert [item["code"] for item in head.get("/api/registers/person?q=唐").json()["items"]] == ["P023"]
    page = head.get("/api/registers/person?size=25&page=2").json()
    assert (page["count"], page["items"]) == (4, [])
    assert head.get(f"/api/registers/person/{bureau.person['P031'].pk}").status_code == 404
    assert head.get("/api/registers/person/999999999999999999999999").status_code == 404


@pytest.mark.parametrize("query", ["size=7", "page=0", "page=x", "sort=password", "kind=robot", "unit=NOWHERE", "q=%00", "employed=2"])
def test_a_senseless_query_is_a_problem(query, bearer):
    answer = bearer("zhengkai", "read").get(f"/api/registers/person?{query}")
    assert answer.status_code == 422
    assert answer["Content-Type"] == "application/problem+json"
    assert set(answer.json()["fields"]) == {query.split("=")[0]}


def test_no_token_a_wrong_token_and_a_foreign_address_get_401(bearer):
    assert Client().get("/api/registers/person").status_code == 401
    wrong = Client(headers={"Authorization": "Bearer az_00000000_x"}).get("/api/registers/person")
    assert (wrong.status_code, wrong.json()["code"], wrong["WWW-Authenticate"]) == (401, "login_needed", "Bearer")
    assert bearer("zhengkai", "read", address="10.9.8.7").get("/api/registers/person").status_code == 401


def test_a_row_is_created_and_changed_through_the_procedures(bearer):
    client = bearer("liuyang", "read", "write")
    made = send(client, "post", "/api/registers/person", NEW)
    assert made.status_code == 201
    address = f"/api/registers/person/{made.json()['id']}"
    changed = send(client, "put", address, {"post": "科员", "version": 1})
    assert (changed.status_code, changed.json()["post"], changed.json()["version"]) == (200, "科员", 2)
    assert changed.json()["name"] == "钱多"
    stale = send(client, "put", address, {"post": "局长", "version": 1})
    assert (stale.status_code, stale.json()["code"]) == (409, "stale")
    assert {entry.via for entry in Entry.objects.filter(object_type="person", object_key=str(made.json()["id"]))} == {"api"}


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({**NEW, "unit": "SBZX"}, {"unit"}),
        ({**NEW, "joined_on": "2026-02-30"}, None),
        ({**NEW, "kind": "robot"}, {"kind"}),
        ({**NEW, "code": "P001"}, {"code"}),
        ({**NEW, "left_on": "2020-01-01"}, {""}),
        ({"code": "P100"}, None),
        ({**NEW, "id": 1}, None),
        ({**NEW, "path": "/"}, None),
        ({**NEW, "name": ["x"]}, None),
        ("{", None),
        ("[1]", None),
        (b"\xff\xfe", None),
    ],
)
def test_a_wrong_body_is_a_problem_and_writes_nothing(body, fields, bearer):
    client, before = bearer("liuyang", "read", "write"), Person.objects.count()
    answer = send(client, "post", "/api/registers/person", body)
    assert answer.status_code in {400, 422}
    assert answer["Content-Type"] == "application/problem+json"
    assert fields is None or set(answer.json()["fields"]) == fields
    assert Person.objects.count() == before


def test_a_read_token_writes_nothing(bearer, bureau):
    client, before = bearer("liuyang", "read"), Entry.objects.count() + 1  # its own issue
    answers = [
        send(client, "post", "/api/registers/person", NEW),
        send(client, "put", f"/api/registers/person/{bureau.person['P021'].pk}", {"post": "x", "version": 1}),
    ]
    assert [answer.status_code for answer in answers] == [403, 403]
    assert Entry.objects.count() == before - 1


@pytest.mark.parametrize("username", ["sunli", "chenjing"])
def test_a_write_token_gives_no_role(username, bearer):
    answer = send(bearer(username, "write"), "post", "/api/registers/person", NEW)
    assert (answer.status_code, answer.json()["code"]) == (403, "writer_role_missing")


@pytest.mark.parametrize("register_id", ["officer", "assignment", "approval", "finding", "vault_segment", "leading_group_member"])
def test_a_register_without_a_writing_api_refuses_every_method(register_id, bearer):
    client, before = bearer("zhengkai", "read", "write"), Entry.objects.count()
    for method in ("post", "put", "patch", "delete"):
        assert send(client, method, f"/api/registers/{register_id}", NEW).status_code in {404, 405}
        assert send(client, method, f"/api/registers/{register_id}/1", NEW).status_code in {404, 405}
    assert Entry.objects.count() == before


def test_a_browser_session_reads_and_needs_the_csrf_token_to_write(bureau):
    client = Client(enforce_csrf_checks=True)
    world.enter(client, bureau.user["liuyang"])
    assert client.get("/api/registers/person").status_code == 200
    assert send(client, "post", "/api/registers/person", NEW).status_code == 403
    client.get("/registers/person/new/")
    token = client.cookies["csrftoken"].value
    assert send(client, "post", "/api/registers/person", NEW, **{"X-CSRFToken": token}).status_code == 201


@pytest.mark.parametrize("rows", [2, 200])
def test_a_list_asks_a_bounded_number_of_queries(rows, bureau, bearer, clock, django_assert_max_num_queries):
    client = bearer("liuyang", "read")
    Person.objects.bulk_create(Person(code=f"X{i:03}", name="甲", unit=bureau.unit["JYC"], joined_on=clock.now.date()) for i in range(rows))
    client.get("/api/registers/person")
    with django_assert_max_num_queries(12):
        assert client.get("/api/registers/person?size=100").status_code == 200


def test_the_hash_of_a_sources_token_is_on_no_face(bureau, bearer):
    source = next(iter(bureau.source.values()))
    source.token_hash = "f" * 64
    source.save()
    client = bearer("zhengkai", "read")
    text = client.get("/api/registers/log_source").content.decode()
    assert "f" * 64 not in text
    assert "token_hash" not in text


def test_a_walk_by_key_meets_every_row_once_while_rows_are_added(bearer, bureau, clock):
    client, met, after = bearer("zhengkai", "read"), [], 0
    Person.objects.bulk_create(Person(code=f"X{i:03}", name="甲", unit=bureau.unit["JYC"], joined_on=clock.now.date()) for i in range(60))
    while after is not None:
        page = client.get(f"/api/registers/person?size=25&after={after}").json()
        met += [item["code"] for item in page["items"]]
        after = page["next"]
        if len(met) < 60:
            Person.objects.create(code=f"A{len(met)}", name="新", unit=bureau.unit["JYC"], joined_on=clock.now.date())
    assert sorted(met) == sorted(Person.objects.values_list("code", flat=True))


@pytest.mark.parametrize("after", ["-1", "x", "9" * 30])
def test_a_senseless_key_is_a_problem(after, bearer):
    assert bearer("zhengkai", "read").get(f"/api/registers/person?after={after}").status_code == 422


def test_a_token_for_one_register_opens_no_other(bearer, bureau):
    client = bearer("liuyang", "read:person", "write:person")
    assert client.get("/api/registers/person").status_code == 200
    assert send(client, "post", "/api/registers/person", NEW).status_code == 201
    for address in ("/api/registers/unit", "/api/registers/finding", "/api/board", "/api/cases", "/api/findings"):
        assert (client.get(address).status_code, client.get(address).json()["code"]) == (403, "token_scope")
    assert send(client, "post", "/api/registers/training_record", {}).status_code == 403
    assert bearer("liuyang", "read:board").get("/api/board").status_code == 200


def test_the_board_is_that_of_the_caller(bearer):
    whole = bearer("zhengkai", "read").get("/api/board").json()
    own = bearer("liuyang", "read").get("/api/board").json()
    assert (whole["unit"], own["unit"]["code"]) == (None, "JYC")
    assert whole["counts"]["articles"] == 36
    assert len([square for article in whole["articles"] for square in article["obligations"]]) == 152
    assert bearer("liuyang", "read").get("/api/board?unit=SBZX").status_code == 404
    assert bearer("zhengkai", "read").get("/api/board?unit=SBZX").json()["unit"]["code"] == "SBZX"
    assert Client().get("/api/board").status_code == 401


def test_cases_and_findings_are_those_the_caller_sees(bearer, bureau, acting, clock):
    person = bureau.person["P020"]
    form = {"person": "P021", "reason": "新任"}
    case = procedures.file_case(acting("liuyang"), "officer_appointment", bureau.unit["JYC"], person, "", form, clock.now)
    reconciliation.run(permissions.system("test"), clock.now, vault=None)
    head = bearer("liuyang", "read")
    found = head.get(f"/api/cases/{case.number}").json()
    assert (found["state"], found["form"]["person"], found["acts"][0]["verb"], found["approval"]) == ("open", "P021", "file", None)
    assert [item["number"] for item in head.get("/api/cases?route=officer_appointment").json()["items"]] == [case.number]
    assert head.get("/api/cases/nothing").status_code == 404
    seen = {item["unit"] for item in head.get("/api/findings?size=100").json()["items"]}
    assert seen == {"JYC"}
    everything = bearer("zhengkai", "read").get("/api/findings?size=100").json()
    foreign = next(item for item in everything["items"] if item["unit"] not in {"JYC", None})
    assert head.get(f"/api/findings/{foreign['number']}").status_code == 404
    own = next(item for item in everything["items"] if item["unit"] == "JYC")
    assert head.get(f"/api/findings/{own['number']}").json()["reason"]["text"]


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
@pytest.mark.parametrize("address", ["/api/board", "/api/cases", "/api/cases/X", "/api/findings", "/api/findings/X"])
def test_nothing_is_decided_through_the_api(method, address, bearer):
    client = bearer("liuyang", "read", "write")
    before = Entry.objects.count()
    assert send(client, method, address, {"act": "agree"}).status_code == 405
    assert Entry.objects.count() == before


def test_the_description_names_every_operation_with_its_errors(bearer):
    described = bearer("zhengkai", "read").get("/api/openapi.json").json()
    assert {"/api/board", "/api/cases", "/api/cases/{number}", "/api/findings", "/api/findings/{number}"} <= set(described["paths"])
    for register in REGISTERS.values():
        assert set(described["paths"][f"/api/registers/{register.id}"]) == ({"get", "post"} if register.writable else {"get"})
        assert set(described["paths"][f"/api/registers/{register.id}/{{pk}}"]) == ({"get", "put"} if register.changeable else {"get"})
    for operations in described["paths"].values():
        for operation in operations.values():
            assert list(operation["responses"]["404"]["content"]) == ["application/problem+json"]


def test_a_stranger_does_not_read_the_description():
    assert Client().get("/api/openapi.json").status_code == 401
    assert Client().get("/api/docs").status_code == 401
