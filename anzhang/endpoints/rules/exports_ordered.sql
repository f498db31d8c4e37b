/* +++
name = "exports_ordered"
title = "A bulk export has an order"
streams = ["app_event"]
registers = ["account", "person", "system", "unit", "log_source"]
parameters = ["export_rows"]
window_days = 30
mode = "append"
+++ */
-- What an account exported by a function on a Beijing day, by the number of records of each time, and that an application was heard at all.
SELECT kind, source, user_name, function, records, day, min(at_) AS first_at, max(at_) AS last_at, count(*) AS times,
       arg_min(line, at_) AS first_line, arg_max(line, at_) AS last_line
FROM (
    SELECT CASE WHEN exports THEN 'export' ELSE 'heard' END AS kind, at_, line, source, CASE WHEN exports THEN user_name END AS user_name,
           CASE WHEN exports THEN function END AS function, CASE WHEN exports THEN record_count END AS records,
           CAST(at_ + INTERVAL 8 HOUR AS DATE) AS day
    FROM (
        SELECT timestamp AS at_, line, source, coalesce(user_name, '') AS user_name, function, record_count,
               coalesce(event_outcome, '') <> 'failure'
               AND regexp_matches(lower(coalesce(event_action, '')), 'export|download|导出|下载') AS exports
        FROM app_event
    )
)
GROUP BY kind, source, user_name, function, records, day;

-- Art. 14, obligation A14.4, the first half. An export of more records than the parameter needs an approved extraction; that register does
-- not stand yet, so none is on file. An export of which nobody says how many records it took may have been one.
WITH
owned AS (SELECT o.code AS source, s.id AS system_id FROM log_source o JOIN system s ON s.id = o.system_id),
export AS (SELECT w.system_id, f.* FROM facts f JOIN owned w ON w.source = f.source WHERE f.kind = 'export'),
bulk AS (
    SELECT e.*, c.id AS account_id, p.code AS person, p.name AS person_name
    FROM export e LEFT JOIN account c ON c.system_id = e.system_id AND c.name = e.user_name LEFT JOIN person p ON p.id = c.person_id
    WHERE e.records > $export_rows
),
uncounted AS (SELECT DISTINCT system_id FROM export WHERE records IS NULL),
heard_of AS (SELECT DISTINCT w.system_id FROM facts f JOIN owned w ON w.source = f.source),
watch AS (
    SELECT s.code, s.name, u.code AS unit,
           CASE WHEN h.system_id IS NULL THEN 'application_not_told' WHEN x.system_id IS NOT NULL THEN 'export_not_counted' END AS lacks
    FROM system s JOIN unit u ON u.id = s.managing_unit_id LEFT JOIN heard_of h ON h.system_id = s.id LEFT JOIN uncounted x ON x.system_id = s.id
    WHERE s.state = 'in_service'
)
SELECT 'subject' AS kind, 'system:' || code AS key, name AS label, unit, NULL AS person,
       '' AS code, NULL AS params, NULL::VARCHAR[] AS evidence, NULL::TIMESTAMP AS since, '' AS detail
FROM watch WHERE lacks IS NULL
UNION ALL
SELECT 'breach', 'system:' || s.code, any_value(s.name), any_value(u.code), any_value(b.person), 'export_without_order',
       to_json({
           'system': any_value(s.name), 'account': CASE WHEN b.user_name = '' THEN '?' ELSE b.user_name END,
           'person': coalesce(any_value(b.person_name), '?'), 'function': coalesce(arg_max(b.function, b.records), '?'),
           'records': max(b.records), 'times': CAST(sum(b.times) AS BIGINT), 'rows': CAST($export_rows AS BIGINT),
           'at': strftime(max(b.last_at) + INTERVAL 8 HOUR, '%Y-%m-%d %H:%M')
       }),
       list_concat(
           list_distinct(flatten(list([b.last_line, b.first_line] ORDER BY b.last_at DESC)))[1:16],
           list_distinct(list('account:' || b.account_id) FILTER (b.account_id IS NOT NULL))
       ), min(b.first_at), b.user_name
FROM bulk b JOIN system s ON s.id = b.system_id JOIN unit u ON u.id = s.managing_unit_id GROUP BY s.code, b.user_name
UNION ALL
SELECT 'unknown', 'system:' || code, name, unit, NULL, lacks, to_json({'system': name}), NULL, NULL, ''
FROM watch WHERE lacks IS NOT NULL
ORDER BY ALL
