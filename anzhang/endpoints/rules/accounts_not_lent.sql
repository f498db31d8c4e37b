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
WITH
begun AS (
    SELECT user_name, source, host_name, source_ip, timestamp AS at_, line,
           coalesce(session_id, CAST(process_pid AS VARCHAR)) AS sid
    FROM auth_event
    WHERE event_action = 'logged-in' AND event_outcome = 'success' AND user_name <> '' AND source_ip IS NOT NULL
),
ended AS (
    SELECT user_name, source, host_name, timestamp AS at_, line, coalesce(session_id, CAST(process_pid AS VARCHAR)) AS sid
    FROM auth_event WHERE event_action IN ('log-off', 'session-closed')
)
SELECT b.user_name, b.source, b.host_name, b.source_ip, b.at_ AS first_at, coalesce(min(e.at_), b.at_) AS last_at, 1 AS times,
       b.line AS first_line, coalesce(arg_min(e.line, e.at_), b.line) AS last_line
FROM begun b
LEFT JOIN ended e ON e.source = b.source AND e.host_name = b.host_name AND e.sid = b.sid AND e.at_ >= b.at_
     AND e.at_ < b.at_ + INTERVAL 12 HOUR AND (e.user_name = b.user_name OR e.user_name IS NULL OR e.user_name = '')
GROUP BY b.user_name, b.source, b.host_name, b.source_ip, b.at_, b.line;

-- Art. 14, obligation A14.2. An account is a name of a system. Sessions of one place are merged where they meet (running maximum of the
-- end), so that only runs longer than the minutes allowed are compared. What many pass through is no place: addresses of jump hosts.
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
session AS (
    SELECT h.*, f.source_ip AS place, f.host_name, f.first_at, f.last_at, f.first_line, f.last_line
    FROM facts f JOIN log_source o ON o.code = f.source JOIN holder h ON h.system_id = o.system_id AND h.account = f.user_name
),
placed AS (SELECT s.* FROM session s ANTI JOIN jump j ON j.ip = s.place),
marked AS (
    SELECT *, max(last_at) OVER (PARTITION BY system_id, account, place ORDER BY first_at, last_at
                                 ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before_at
    FROM placed
),
counted AS (
    SELECT *, count(*) FILTER (WHERE before_at IS NULL OR first_at > before_at)
              OVER (PARTITION BY system_id, account, place ORDER BY first_at, last_at ROWS UNBOUNDED PRECEDING) AS run
    FROM marked
),
stay AS (
    SELECT system_id, account, place, any_value(person_id) AS person_id, min(first_at) AS first_at, max(last_at) AS last_at,
           arg_min(first_line, first_at) AS first_line
    FROM counted GROUP BY system_id, account, place, run
    HAVING max(last_at) - min(first_at) > to_minutes(CAST($concurrent_minutes AS BIGINT))
),
double AS (
    SELECT a.system_id, a.account, a.place AS one, b.place AS other, greatest(a.first_at, b.first_at) AS since_at,
           least(a.last_at, b.last_at) AS until_at, [a.first_line, b.first_line] AS lines
    FROM stay a JOIN stay b ON b.system_id = a.system_id AND b.account = a.account AND a.place < b.place
         AND a.first_at < b.last_at AND b.first_at < a.last_at
    WHERE least(a.last_at, b.last_at) - greatest(a.first_at, b.first_at) > to_minutes(CAST($concurrent_minutes AS BIGINT))
),
seat AS (
    SELECT e.name, e.person_id, lower(unnest(from_json(e.hosts, '["VARCHAR"]'))) AS host FROM endpoint e WHERE e.state = 'in_service'
),
stranger AS (
    SELECT s.*, t.name AS endpoint, p.name AS owner
    FROM session s JOIN seat t ON t.host = lower(s.host_name) JOIN person p ON p.id = t.person_id WHERE t.person_id <> s.person_id
),
gone AS (
    SELECT * FROM session WHERE left_on IS NOT NULL AND first_at >= CAST(left_on AS TIMESTAMP) - INTERVAL 8 HOUR
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
           'account': account, 'person': any_value(person_name), 'endpoint': arg_max(endpoint, first_at), 'owner': arg_max(owner, first_at),
           'at': strftime(max(first_at) + INTERVAL 8 HOUR, '%Y-%m-%d %H:%M')
       }),
       list(first_line ORDER BY first_at DESC)[1:20], min(first_at), 'account_on_others_endpoint'
FROM stranger GROUP BY system_id, account
UNION ALL
SELECT 'breach', 'account:' || any_value(system_code) || '/' || account, any_value(system_name) || ' ' || account, any_value(unit),
       any_value(person), 'account_used_after_leaving',
       to_json({
           'account': account, 'person': any_value(person_name), 'left_on': CAST(any_value(left_on) AS VARCHAR),
           'at': strftime(max(first_at) + INTERVAL 8 HOUR, '%Y-%m-%d %H:%M')
       }),
       list(first_line ORDER BY first_at DESC)[1:20], min(first_at), 'account_used_after_leaving'
FROM gone GROUP BY system_id, account
UNION ALL
SELECT 'unknown', '', '', unit, NULL, 'accounts_unwatched', to_json({'systems': systems}), NULL, NULL, '' FROM mute
ORDER BY ALL
