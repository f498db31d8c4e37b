/* +++
name = "accounts_not_lent"
title = "An account is used only by its owner: not from two places at once, not on another's computer"
streams = ["auth_event"]
registers = ["account", "person", "system", "log_source", "endpoint", "device", "interface", "unit"]
parameters = ["concurrent_minutes"]
window_days = 7
mode = "window"
entity = ["user_name"]
bucket_hours = 24
lookback_hours = 12
+++ */
-- Sessions: a log-in and the first end of the same session of the same host within twelve hours; without an end it is its instant.
-- Those of one place are merged where they meet (running maximum of the end); kept is where two places overlap, and who was where on a day.
WITH
begun AS (
    SELECT user_name, source, host_name, source_ip AS place, timestamp AS at_, line,
           coalesce(session_id, CAST(process_pid AS VARCHAR)) AS sid
    FROM auth_event
    WHERE event_action = 'logged-in' AND event_outcome = 'success' AND user_name <> '' AND source_ip IS NOT NULL
),
ended AS (
    SELECT user_name, source, host_name, timestamp AS at_, coalesce(session_id, CAST(process_pid AS VARCHAR)) AS sid
    FROM auth_event WHERE event_action IN ('log-off', 'session-closed')
),
session AS (
    SELECT b.user_name, b.source, b.host_name, b.place, b.at_ AS first_at, coalesce(min(e.at_), b.at_) AS last_at, b.line
    FROM begun b
    LEFT JOIN ended e ON e.source = b.source AND e.host_name = b.host_name AND e.sid = b.sid AND e.at_ >= b.at_
         AND e.at_ < b.at_ + INTERVAL 12 HOUR AND (e.user_name = b.user_name OR e.user_name IS NULL OR e.user_name = '')
    GROUP BY b.user_name, b.source, b.host_name, b.place, b.at_, b.line
),
marked AS (
    SELECT user_name, source, place, first_at, last_at, line, max(last_at) OVER (PARTITION BY user_name, source, place ORDER BY first_at, last_at
                                 ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before_at
    FROM session
),
counted AS (
    SELECT user_name, source, place, first_at, last_at, line, count(*) FILTER (WHERE before_at IS NULL OR first_at > before_at)
              OVER (PARTITION BY user_name, source, place ORDER BY first_at, last_at ROWS UNBOUNDED PRECEDING) AS run
    FROM marked
),
stay AS (
    SELECT user_name, source, place, min(first_at) AS first_at, max(last_at) AS last_at, arg_min(line, first_at) AS line
    FROM counted GROUP BY user_name, source, place, run HAVING max(last_at) > min(first_at)
)
SELECT 'double' AS kind, a.user_name, a.source, b.source AS other_source, NULL AS host_name, a.place AS one, b.place AS other,
       greatest(a.first_at, b.first_at) AS first_at, least(a.last_at, b.last_at) AS last_at, 1 AS times,
       a.line AS first_line, b.line AS last_line
FROM stay a JOIN stay b ON b.user_name = a.user_name AND a.place < b.place AND a.first_at < b.last_at AND b.first_at < a.last_at
UNION ALL
SELECT 'seat', user_name, source, NULL, host_name, NULL, NULL, min(first_at), max(first_at), count(*),
       arg_min(line, first_at), arg_max(line, first_at)
FROM session GROUP BY user_name, source, host_name, CAST(first_at + INTERVAL 8 HOUR AS DATE);

-- Art. 14, obligation A14.2. An account is a name of a system. What many pass through is no place: addresses of jump hosts.
WITH
holder AS (
    SELECT c.system_id, c.name AS account, p.id AS person_id, p.code AS person, p.name AS person_name, p.left_on, u.code AS unit,
           s.code AS system_code, s.name AS system_name
    FROM account c JOIN person p ON p.id = c.person_id JOIN unit u ON u.id = p.unit_id JOIN system s ON s.id = c.system_id
),
jump AS (
    SELECT DISTINCT unnest(from_json(i.addresses, '["VARCHAR"]')) AS ip FROM interface i JOIN device d ON d.id = i.device_id
    WHERE d.kind = 'jump_host'
),
of_system AS (SELECT code AS source, system_id FROM log_source WHERE system_id IS NOT NULL),
session AS (
    SELECT h.*, f.host_name, f.first_at, f.last_at, f.first_line, f.last_line
    FROM facts f JOIN of_system o ON o.source = f.source JOIN holder h ON h.system_id = o.system_id AND h.account = f.user_name
    WHERE f.kind = 'seat'
),
double AS (
    SELECT o.system_id, f.user_name AS account, f.one, f.other, f.first_at AS since_at, f.last_at AS until_at,
           [f.first_line, f.last_line] AS lines
    FROM facts f JOIN of_system o ON o.source = f.source JOIN of_system t ON t.source = f.other_source AND t.system_id = o.system_id
    WHERE f.kind = 'double' AND f.last_at - f.first_at > to_minutes(CAST($concurrent_minutes AS BIGINT))
      AND f.one NOT IN (SELECT ip FROM jump) AND f.other NOT IN (SELECT ip FROM jump)
),
seat AS (
    SELECT e.name, e.person_id, lower(unnest(from_json(e.hosts, '["VARCHAR"]'))) AS host FROM endpoint e WHERE e.state = 'in_service'
),
stranger AS (
    SELECT s.*, t.name AS endpoint, p.name AS owner
    FROM session s JOIN seat t ON t.host = lower(s.host_name) JOIN person p ON p.id = t.person_id WHERE t.person_id <> s.person_id
),
-- A day's log-ins are one fact: its last one tells whether any came after leaving.
gone AS (
    SELECT * FROM session WHERE left_on IS NOT NULL AND last_at >= CAST(left_on AS TIMESTAMP) - INTERVAL 8 HOUR
),
watched AS (SELECT DISTINCT system_id, account FROM session),
mute AS (
    SELECT h.unit, string_agg(DISTINCT h.system_name, '、' ORDER BY h.system_name) AS systems
    FROM holder h WHERE NOT EXISTS (SELECT 1 FROM session s WHERE s.system_id = h.system_id) GROUP BY h.unit
)
SELECT 'subject' AS kind, 'account:' || system_code || '/' || account AS key, system_name || ' ' || account AS label, unit, person,
       '' AS code, NULL AS params, NULL::VARCHAR[] AS evidence, NULL::TIMESTAMP AS since, '' AS detail
FROM holder h SEMI JOIN watched w ON w.system_id = h.system_id AND w.account = h.account
UNION ALL
SELECT 'breach', 'account:' || any_value(h.system_code) || '/' || d.account, any_value(h.system_name) || ' ' || d.account, any_value(h.unit),
       any_value(h.person), 'account_in_two_places',
       to_json({
           'account': d.account, 'person': any_value(h.person_name), 'one': arg_max(d.one, d.until_at), 'other': arg_max(d.other, d.until_at),
           'at': strftime(max(d.since_at) + INTERVAL 8 HOUR, '%Y-%m-%d %H:%M'),
           'minutes': CAST(max(date_diff('minute', d.since_at, d.until_at)) AS INTEGER)
       }),
       list_distinct(flatten(list(d.lines ORDER BY d.until_at DESC)))[1:20], min(d.since_at), 'account_in_two_places'
FROM double d JOIN holder h ON h.system_id = d.system_id AND h.account = d.account GROUP BY d.system_id, d.account
UNION ALL
SELECT 'breach', 'account:' || any_value(system_code) || '/' || account, any_value(system_name) || ' ' || account, any_value(unit),
       any_value(person), 'account_on_others_endpoint',
       to_json({
           'account': account, 'person': any_value(person_name), 'endpoint': arg_max(endpoint, last_at), 'owner': arg_max(owner, last_at),
           'at': strftime(max(last_at) + INTERVAL 8 HOUR, '%Y-%m-%d %H:%M')
       }),
       list(last_line ORDER BY last_at DESC)[1:20], min(first_at), 'account_on_others_endpoint'
FROM stranger GROUP BY system_id, account
UNION ALL
SELECT 'breach', 'account:' || any_value(system_code) || '/' || account, any_value(system_name) || ' ' || account, any_value(unit),
       any_value(person), 'account_used_after_leaving',
       to_json({
           'account': account, 'person': any_value(person_name), 'left_on': CAST(any_value(left_on) AS VARCHAR),
           'at': strftime(max(last_at) + INTERVAL 8 HOUR, '%Y-%m-%d %H:%M')
       }),
       list(last_line ORDER BY last_at DESC)[1:20], min(last_at), 'account_used_after_leaving'
FROM gone GROUP BY system_id, account
UNION ALL
SELECT 'unknown', '', '', unit, NULL, 'accounts_unwatched', to_json({'systems': systems}), NULL, NULL, '' FROM mute
ORDER BY ALL
