/* +++
name = "developers_do_not_operate"
title = "Who develops a system does not operate it"
streams = ["auth_event", "app_event"]
registers = ["account", "person", "assignment", "system", "unit", "log_source", "environment", "developer_exception", "approval"]
parameters = ["sod_exception_days"]
window_days = 30
mode = "append"
+++ */
-- What an account did on a Beijing day on a host, as a source tells.
SELECT source, host, user_name, day, min(at_) AS first_at, max(at_) AS last_at, count(*) AS times,
       arg_min(line, at_) AS first_line, arg_max(line, at_) AS last_line
FROM (
    SELECT timestamp AS at_, line, source, lower(host_name) AS host, user_name, CAST(timestamp + INTERVAL 8 HOUR AS DATE) AS day
    FROM auth_event WHERE event_outcome = 'success' AND event_action NOT IN ('log-off', 'session-closed') AND user_name IS NOT NULL
    UNION ALL
    SELECT timestamp, line, source, lower(host_name), user_name, CAST(timestamp + INTERVAL 8 HOUR AS DATE)
    FROM app_event WHERE coalesce(event_outcome, '') <> 'failure' AND user_name IS NOT NULL
)
GROUP BY source, host, user_name, day;

-- Art. 13, obligation A13.1. A developer is whoever holds that post on the system now and held it at the act; a post that names no
-- system stands for those that its unit manages. Acts on hosts of development and test environments are no operation. An exception
-- covers what is done while it lasts, if it is no longer than the parameter; one that is in force now makes earlier acts approved
-- afterwards. Ending the post, or closing the account, ends the breach.
WITH
dev AS (
    SELECT a.person_id, s.id AS system_id, a.id AS assignment_id, a.valid_from
    FROM assignment a JOIN system s ON s.id = a.system_id OR (a.system_id IS NULL AND a.unit_id = s.managing_unit_id)
    WHERE a.duty = 'developer' AND a.superseded_at IS NULL AND a.valid_from <= $at AND (a.valid_to IS NULL OR a.valid_to > $at)
),
elsewhere AS (
    SELECT system_id, lower(unnest(from_json(hosts, '["VARCHAR"]'))) AS host FROM environment WHERE kind <> 'production' AND state = 'in_service'
),
act AS (
    SELECT c.id AS account_id, c.name AS account, c.state AS account_state, c.closed_on, c.system_id, c.person_id, d.assignment_id, f.*
    FROM facts f JOIN log_source o ON o.code = f.source JOIN account c ON c.system_id = o.system_id AND c.name = f.user_name
    JOIN dev d ON d.person_id = c.person_id AND d.system_id = c.system_id AND f.last_at >= d.valid_from
    WHERE NOT EXISTS (SELECT 1 FROM elsewhere e WHERE e.system_id = c.system_id AND e.host = f.host)
      AND (c.state <> 'closed' OR c.closed_on IS NULL OR f.day > c.closed_on)
),
excepted AS (
    SELECT x.system_id, x.person_id, x.starts_at, least(x.ends_at, coalesce(b.valid_to, x.ends_at)) AS ends_at
    FROM developer_exception x JOIN approval b ON b.id = x.basis_id AND b.superseded_at IS NULL
    WHERE x.ends_at - x.starts_at <= to_days(CAST($sod_exception_days AS INTEGER))
),
offence AS (
    SELECT a.*, EXISTS (
        SELECT 1 FROM excepted x WHERE x.system_id = a.system_id AND x.person_id = a.person_id AND x.starts_at <= $at AND $at < x.ends_at
    ) AS approved_later
    FROM act a WHERE NOT EXISTS (
        SELECT 1 FROM excepted x WHERE x.system_id = a.system_id AND x.person_id = a.person_id
            AND x.starts_at <= a.first_at AND a.last_at < x.ends_at
    )
),
watch AS (
    SELECT s.id, s.code, s.name, u.code AS unit, count(o.code) AS sources, count(k.source) AS talking
    FROM system s JOIN unit u ON u.id = s.managing_unit_id
    LEFT JOIN log_source o ON o.system_id = s.id AND o.state = 'active'
    LEFT JOIN heard k ON k.source = o.code AND k.last_at >= $since
    WHERE s.state = 'in_service' GROUP BY ALL
)
SELECT 'subject' AS kind, 'system:' || code AS key, name AS label, unit, NULL AS person,
       '' AS code, NULL AS params, NULL::VARCHAR[] AS evidence, NULL::TIMESTAMP AS since, '' AS detail
FROM watch WHERE talking > 0
UNION ALL
SELECT CASE WHEN bool_and(o.approved_later) THEN 'regularized' ELSE 'breach' END, 'system:' || s.code, any_value(s.name), any_value(u.code), p.code,
       'developer_operates',
       to_json({
           'person': any_value(p.name), 'system': any_value(s.name), 'account': any_value(o.account), 'times': sum(o.times),
           'at': strftime(max(o.last_at) + INTERVAL 8 HOUR, '%Y-%m-%d %H:%M'), 'days': CAST($sod_exception_days AS INTEGER)
       }),
       list_concat(
           list_distinct(flatten(list([o.last_line, o.first_line] ORDER BY o.last_at DESC)))[1:16], list(DISTINCT 'assignment:' || o.assignment_id)
       ), min(o.first_at), p.code
FROM offence o JOIN system s ON s.id = o.system_id JOIN unit u ON u.id = s.managing_unit_id JOIN person p ON p.id = o.person_id
GROUP BY s.code, p.code
UNION ALL
SELECT 'unknown', 'system:' || code, name, unit, NULL, CASE WHEN sources = 0 THEN 'no_log_source' ELSE 'source_system_silent' END,
       to_json({'system': name}), NULL, NULL, ''
FROM watch WHERE talking = 0
ORDER BY ALL
