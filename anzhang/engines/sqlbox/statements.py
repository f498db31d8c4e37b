"""What a text of SQL may be: one SELECT over tables that were named, with functions of a list. Asked of DuckDB's own parser.

A text that the parser reads otherwise than we do cannot run otherwise: what is checked is the tree that will be planned.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import orjson

from anzhang.engines.sqlbox.addresses import FUNCTIONS as OWN

MOST_CHARACTERS = 100_000

# Pure functions of their arguments: no clock, chance, session, file, catalogue, sleep or log. The instant is the parameter $at.
FUNCTIONS = frozenset(
    """
    abs acos add age any_value approx_count_distinct approx_quantile arg_max arg_max_null arg_min arg_min_null argmax argmin array_agg
    array_concat array_contains array_distinct array_has array_has_all array_has_any array_length array_position array_slice
    array_sort array_to_string ascii asin atan atan2 avg bit_and bit_count bit_length bit_or bit_xor bool_and bool_or cardinality cbrt
    ceil ceiling century char_length character_length chr coalesce concat concat_ws contains corr cos cot count count_if count_star
    countif covar_pop covar_samp cume_dist damerau_levenshtein date_add date_diff date_part date_sub date_trunc datediff datepart
    datesub datetrunc day dayname dayofmonth dayofweek dayofyear decade degrees dense_rank divide editdist3 element_at ends_with
    entropy epoch epoch_ms epoch_us error even exp filter first first_value flatten floor fmod format from_hex from_json gcd
    generate_series greatest group_concat hamming hash hex histogram hour if ifnull instr isfinite isinf isnan isodow isoyear jaccard
    jaro_similarity jaro_winkler_similarity json json_array json_array_length json_contains json_exists json_extract json_extract_path
    json_extract_path_text json_extract_string json_group_array json_group_object json_keys json_object json_quote json_type
    json_valid json_value kurtosis lag last last_day last_value lcase lcm lead least left len length levenshtein list list_aggregate
    list_append list_apply list_cat list_concat list_contains list_count list_distinct list_element list_extract list_filter
    list_first list_has list_has_all list_has_any list_indexof list_intersect list_last list_max list_min list_pack list_position
    list_prepend list_reduce list_reverse list_reverse_sort list_select list_slice list_sort list_sum list_transform list_unique
    list_value list_where list_zip listagg ln log log10 log2 lower lpad ltrim mad make_date make_time make_timestamp map map_contains
    map_entries map_extract map_from_entries map_keys map_values max max_by md5 mean median microsecond millisecond min min_by minute
    mod mode month monthname multiply nth_value ntile nullif octet_length ord percent_rank pi position pow power prefix printf product
    quantile quantile_cont quantile_disc quarter radians range rank regexp_escape regexp_extract regexp_extract_all regexp_full_match
    regexp_matches regexp_replace regexp_split_to_array repeat replace reverse right round row row_number rpad rtrim second sha256
    sign sin skewness split split_part sqrt starts_with stddev stddev_pop stddev_samp str_split strftime string_agg string_split
    string_split_regex string_to_array strlen strpos strptime struct_extract struct_extract_at struct_pack substr substring subtract
    suffix sum tan time_bucket to_base to_base64 to_binary to_days to_hex to_hours to_json to_microseconds to_milliseconds to_minutes
    to_months to_seconds to_weeks to_years translate trim trunc try_strptime typeof ucase unhex unicode unnest upper url_decode
    url_encode var_pop var_samp variance week weekday weekofyear xor year yearweek
    """.split()  # noqa: SIM905  # a list of two hundred words
) | frozenset(OWN)
TABLE_FUNCTIONS = frozenset({"range", "generate_series", "unnest"})
SESSION = frozenset(
    {
        *("current_date", "current_time", "current_timestamp", "localtime", "localtimestamp", "current_user", "session_user", "user"),
        *("current_role", "current_schema", "current_catalog"),
    }
)  # words that are functions where no column bears them


class StatementError(Exception):
    """A text is not one SELECT over known tables with known functions; the message says what it holds instead."""


@dataclass(frozen=True)
class Statement:
    """One SELECT: its text, the tables it reads, every column name in it (`*` where it takes all), and its parameters."""

    sql: str
    tables: frozenset[str]
    names: frozenset[str]
    parameters: frozenset[str]

    @property
    def takes_all(self) -> bool:
        """Whether some `*` takes every column of a table."""
        return "*" in self.names


_LOCK = threading.Lock()


@cache
def _parser() -> Any:
    import duckdb

    return duckdb.connect(":memory:", config={"enable_external_access": "false", "threads": "1"})


def split(text: str) -> list[str]:
    """Return the statements of a text, without those that are empty. Raises StatementError."""
    import duckdb

    if len(text) > MOST_CHARACTERS:
        raise StatementError(f"{len(text)} characters; at most {MOST_CHARACTERS}")
    with _LOCK:
        try:
            return [each.query.strip().removesuffix(";").rstrip() for each in _parser().extract_statements(text)]
        except duckdb.Error as error:
            raise StatementError(_first_line(error)) from error


def parse(text: str, tables: frozenset[str] | set[str]) -> Statement:
    """Return the one SELECT that a text is. Raises StatementError where it is none, or reads a table other than `tables`."""
    found = split(text)
    if len(found) != 1:
        raise StatementError(f"{len(found)} statements; one SELECT is wanted")
    with _LOCK:
        tree = orjson.loads(_parser().execute("SELECT json_serialize_sql(?)", [found[0]]).fetchone()[0])
    if tree["error"]:
        raise StatementError("not a SELECT" if "Only SELECT" in str(tree.get("error_message")) else _first_line(tree.get("error_message")))
    nodes = list(_nodes(tree["statements"]))
    if any(node.get("type") == "SHOW_REF" or node.get("sample") or node.get("at_clause") for node in nodes):
        raise StatementError("DESCRIBE, SHOW, SUMMARIZE, samples and AT are not known here")
    made = {entry["key"] for node in nodes if "cte_map" in node for entry in node["cte_map"]["map"]}
    read: set[str] = set()
    for node in nodes:
        kind = node.get("type")
        if kind == "BASE_TABLE":
            read.add(_table(node, made, tables))
        elif kind == "TABLE_FUNCTION":
            name = str(node["function"].get("function_name", "")).lower()
            if name not in TABLE_FUNCTIONS:
                raise StatementError(f"{name}(): is no table function that may be used")
        elif node.get("class") == "FUNCTION":
            _function(node)
        elif node.get("class") == "COLUMN_REF" and len(node["column_names"]) == 1 and node["column_names"][0].lower() in SESSION:
            raise StatementError(f"{node['column_names'][0]}: is of the session; the instant is the parameter $at")
    names = {str(part) for node in nodes if node.get("class") == "COLUMN_REF" for part in node["column_names"]}
    names |= {str(name) for node in nodes for name in node.get("using_columns") or ()}
    names |= {"*"} if any(node.get("class") == "STAR" for node in nodes) else set()
    parameters = {str(node["identifier"]) for node in nodes if node.get("class") == "PARAMETER"}
    return Statement(found[0], frozenset(read - made), frozenset(names), frozenset(parameters))


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """Yield every object of a tree."""
    waiting = [tree]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            yield each
            waiting.extend(each.values())
        elif isinstance(each, list):
            waiting.extend(each)


def _table(node: dict[str, Any], made: set[str], tables: frozenset[str] | set[str]) -> str:
    name = str(node["table_name"])
    if node.get("schema_name") or node.get("catalog_name"):
        raise StatementError(f"{node.get('catalog_name') or node.get('schema_name')}.{name}: tables have no schema here")
    if name not in made and name not in tables:
        raise StatementError(f"{name}: is no table that it declares; it declares {', '.join(sorted(tables)) or 'none'}")
    return name


def _function(node: dict[str, Any]) -> None:
    name = str(node["function_name"])
    if node.get("schema") or node.get("catalog"):
        raise StatementError(f"{node.get('schema')}.{name}(): functions have no schema here")
    if name.lower() not in FUNCTIONS and any(letter.isalpha() or letter == "_" for letter in name):
        raise StatementError(f"{name}(): is no function that may be used")


def _first_line(error: object) -> str:
    return next(iter(str(error).strip().splitlines()), "no statement")
